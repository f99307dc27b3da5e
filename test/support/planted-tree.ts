// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export const repository = join(import.meta.dirname, '../..');

/** How a program that was run in the tree ended. */
export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A small tree under the rules of this one, to plant violations in. Removed on disposal. */
export class PlantedTree implements Disposable {
  readonly root = mkdtempSync(join(tmpdir(), 'perigee-house-'));

  /** @param files content by path */
  constructor(files: Readonly<Record<string, string>>) {
    for (const [path, content] of Object.entries(files)) this.write(path, content);
  }

  write(path: string, content: string): void {
    const target = join(this.root, path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, content);
  }

  /** Takes over files of the repository as they are. */
  copy(...paths: readonly string[]): this {
    for (const path of paths) cpSync(join(repository, path), join(this.root, path), { recursive: true });
    return this;
  }

  /** Makes the repository's packages the tree's own. */
  linkPackages(): this {
    symlinkSync(join(repository, 'node_modules'), join(this.root, 'node_modules'));
    return this;
  }

  /** Runs a program with the tree as its working folder; a script of a package runs under this Node.js. */
  run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): Outcome {
    const { error, status, stdout, stderr } = spawnSync(command, args, {
      cwd: this.root,
      encoding: 'utf8',
      env,
    });
    if (error !== undefined) throw error;
    return { status, stdout, stderr };
  }

  /** Runs the command of an installed npm package. */
  runPackage(binary: string, args: readonly string[]): Outcome {
    return this.run(process.execPath, [join(repository, 'node_modules/.bin', binary), ...args]);
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}
