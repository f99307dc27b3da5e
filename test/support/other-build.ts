// SPDX-License-Identifier: Apache-2.0
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const repository = join(import.meta.dirname, '../..');
const LAYOUT_FILE = 'src/core/state/layout-version.ts';

/** This checkout as one of another version, whose pins have another layout. */
export class OtherBuild implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'perigee-other-'));

  constructor(layoutVersion: number) {
    for (const name of ['bin', 'src'])
      cpSync(join(repository, name), join(this.#folder, name), { recursive: true });
    for (const name of ['build', 'node_modules', 'package.json'])
      symlinkSync(join(repository, name), join(this.#folder, name));
    const file = join(this.#folder, LAYOUT_FILE);
    const text = readFileSync(file, 'utf8');
    const other = text.replace(/(LAYOUT_VERSION = )\d+/, `$1${String(layoutVersion)}`);
    if (other === text)
      throw new Error(`${LAYOUT_FILE} names no other version than ${String(layoutVersion)}`);
    writeFileSync(file, other);
  }

  /** Its command. */
  get program(): string {
    return join(this.#folder, 'bin/perigee');
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true });
  }
}
