// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import type { LoaderOptions } from './loader.ts';
import type { BpfProgram } from './native.ts';

/** What the verifier said holds for one boot of one kernel; so do pins. */
function digestOf(objects: string, configuration: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const name of readdirSync(objects).sort()) {
    if (name.endsWith('.bpf.o')) hash.update(name).update(readFileSync(join(objects, name)));
  }
  for (const part of configuration) hash.update(part);
  return hash.digest('hex').slice(0, 32);
}

/**
 * Programs in the kernel, pinned below the digest of everything that they were made from. An agent that finds its own
 * build in force needs neither the verifier nor the kernel's types, which is most of what a start takes.
 */
export class ProgramPins {
  readonly #native: LoaderOptions['native'];
  readonly #root: string;
  readonly #folder: string;

  /** @param configuration what objects are loaded with, beside their files */
  constructor(
    { native, layout, objects }: Pick<LoaderOptions, 'native' | 'layout' | 'objects'>,
    configuration: readonly (string | Uint8Array)[],
  ) {
    this.#native = native;
    this.#root = layout.programs;
    this.#folder = join(layout.programs, digestOf(objects, configuration));
  }

  /** The program of this build that was pinned under a name; undefined: none was. */
  open(name: string): BpfProgram | undefined {
    const path = join(this.#folder, name);
    return existsSync(path) ? this.#native.BpfProgram.openPinned(path) : undefined;
  }

  /** Whether this very program of the kernel is the one of this build. */
  holds(name: string, programId: number): boolean {
    using program = this.open(name);
    return program?.id === programId;
  }

  keep(name: string, program: BpfProgram): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    this.forget(name);
    program.pin(join(this.#folder, name));
  }

  forget(name: string): void {
    rmSync(join(this.#folder, name), { force: true });
  }

  /** Lets go of all programs, of whichever build: those that are attached stay in force. */
  clear(): void {
    for (const build of existsSync(this.#root) ? readdirSync(this.#root) : []) {
      const folder = join(this.#root, build);
      for (const name of readdirSync(folder)) rmSync(join(folder, name));
      rmdirSync(folder);
    }
  }
}
