// SPDX-License-Identifier: Apache-2.0
import { tableDigest } from '../core/automaton/digest.ts';
import { load } from '../core/automaton/table.ts';
import { PerigeeError, messageOf } from '../lib/errors.ts';

/** The tables that configurations name, by digest; one copy for all workers. */
export class TableStore {
  private readonly tables = new Map<string, SharedArrayBuffer>();

  get digests(): readonly string[] {
    return [...this.tables.keys()];
  }

  /** Takes a table in. One that is damaged, or isn't what its name says, is refused. */
  add(digest: string, bytes: Uint8Array): void {
    if (this.tables.has(digest)) return;
    const shared = new SharedArrayBuffer(bytes.length);
    const table = new Uint8Array(shared);
    table.set(bytes);
    const actual = tableDigest(table);
    if (actual !== digest) throw refused(digest, `the digest of what came is ${actual}`);
    try {
      load(table);
    } catch (error) {
      throw refused(digest, messageOf(error));
    }
    this.tables.set(digest, shared);
  }

  get(digest: string): SharedArrayBuffer | undefined {
    return this.tables.get(digest);
  }

  /** Forgets all others. */
  retain(used: ReadonlySet<string>): void {
    for (const digest of this.tables.keys()) if (!used.has(digest)) this.tables.delete(digest);
  }
}

function refused(digest: string, why: string): PerigeeError {
  return new PerigeeError('ERR_PROXY_CONFIG', `table ${digest}: ${why}`, { object: digest });
}
