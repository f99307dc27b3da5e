// SPDX-License-Identifier: Apache-2.0
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type ProxyConfig, proxyConfig } from '../core/proxy/config.ts';
import { PerigeeError } from '../lib/errors.ts';

/** The last configuration that was accepted, so that the proxy can start without the agent. */
export class StateFile {
  private readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Undefined: there is none. */
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
      return proxyConfig.parse(JSON.parse(text));
    } catch (error) {
      throw new PerigeeError('ERR_PROXY_STATE', `${this.path} holds no valid configuration`, {
        object: this.path,
        hint: 'the agent writes a new one when it connects; the file can be deleted',
        cause: error,
      });
    }
  }

  /** All of it or nothing, also when the power fails. */
  async write(config: ProxyConfig): Promise<void> {
    const temporary = `${this.path}.${String(process.pid)}`;
    await mkdir(dirname(this.path), { recursive: true });
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.writeFile(JSON.stringify(config));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, this.path);
  }
}
