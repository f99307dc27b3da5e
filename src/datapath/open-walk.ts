// SPDX-License-Identifier: Apache-2.0
import { type LoaderOptions, openObject } from './loader.ts';
import type { BpfLink, BpfProgram } from './native.ts';

const PROGRAM = 'report_tcp';

/** The kernel's iterator over open connections (open.bpf.c): loaded with the hooks, held by the agent alone, run when it asks. */
export class OpenWalk {
  readonly #link: BpfLink;

  private constructor(program: BpfProgram) {
    this.#link = program.attachIterator();
    program.close();
  }

  /** What an earlier agent of this build has left, or anew. */
  static load(options: LoaderOptions): OpenWalk {
    const kept = options.programs?.open(PROGRAM);
    if (kept !== undefined) return new OpenWalk(kept);
    using object = openObject(options, 'open');
    object.load();
    const program = object.program(PROGRAM);
    options.programs?.keep(PROGRAM, program);
    return new OpenWalk(program);
  }

  /** Records of what is open in a namespace: struct flow_record, one behind the other. */
  run(netnsFd: number | null): Buffer {
    return this.#link.iterate(netnsFd);
  }

  close(): void {
    this.#link.close();
  }
}
