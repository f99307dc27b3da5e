// SPDX-License-Identifier: Apache-2.0
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type ProxyConfig, proxyConfig } from '../core/proxy/config.ts';
import { stateTables } from '../core/proxy/places.ts';
import { PerigeeError } from '../lib/errors.ts';
import type { TableStore } from './table-store.ts';

/** The last configuration that was accepted, so that the proxy can start without the agent. */
export class StateFile {
  private readonly path: string;
  private readonly tables: TableStore;

  constructor(path: string, tables: TableStore) {
    this.path = path;
    this.tables = tables;
  }

  /** Its tables are in the store afterwards. Undefined: there is none. */
  async read(): Promise<ProxyConfig | undefined> {
    let text: string;
    try {
      text = await readFile(this.path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new PerigeeError('ERR_PROXY_STATE', `can't read ${this.path}`, {
        object: this.path,
        cause: error,
      });
    }
    try {
      const config = proxyConfig.parse(JSON.parse(text));
      for (const { table } of config.automata) this.tables.add(table, await readFile(this.tablePath(table)));
      return config;
    } catch (error) {
      throw new PerigeeError('ERR_PROXY_STATE', `${this.path} holds no valid configuration`, {
        object: this.path,
        hint: 'the agent writes a new one when it connects; the file can be deleted',
        cause: error,
      });
    }
  }

  /** All of it or nothing, also when the power fails: tables first, then what names them, then the others go. */
  async write(config: ProxyConfig): Promise<void> {
    const folder = stateTables(this.path);
    await mkdir(dirname(this.path), { recursive: true });
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const used = new Set(config.automata.map(({ table }) => table));
    const there = new Set(await readdir(folder));
    for (const digest of used) {
      const bytes = this.tables.get(digest);
      if (bytes !== undefined && !there.has(digest))
        await replace(this.tablePath(digest), new Uint8Array(bytes));
    }
    await replace(this.path, JSON.stringify(config));
    for (const name of there) if (!used.has(name)) await rm(join(folder, name), { force: true });
  }

  private tablePath(digest: string): string {
    return join(stateTables(this.path), digest);
  }
}

async function replace(path: string, content: string | Uint8Array): Promise<void> {
  const temporary = `${path}.${String(process.pid)}`;
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}
