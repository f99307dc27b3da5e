// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, openSync, closeSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Lab, type LabHost, listening } from '../test/support/lab.ts';

export const API_PORT = 8080;
export const LEDGER_PORT = 6400;
export const WEB_PORT = 80;

/** The namespaces are named as in examples/shop/workloads.yaml. */
const PREFIX = 'shop';

const program = (file: string): string => fileURLToPath(new URL(`shop/${file}`, import.meta.url));

/** The machines of the story and the programs on them, none of which knows of Perigee. */
export class Shop {
  readonly lab: Lab;
  readonly web: LabHost;
  readonly api: LabHost;
  readonly ledger: LabHost;
  readonly intruder: LabHost;
  /** Not enrolled: somebody out in the world. */
  readonly visitor: LabHost;
  readonly #folder = mkdtempSync(join(tmpdir(), 'perigee-shop-'));

  constructor() {
    this.lab = Lab.create(PREFIX);
    this.web = this.lab.host('web');
    this.api = this.lab.host('api');
    this.ledger = this.lab.host('ledger');
    this.intruder = this.lab.host('intruder');
    this.visitor = this.lab.host('visitor');
  }

  async open(): Promise<void> {
    const { lab, web, api, ledger } = this;
    this.#serve(ledger, ['python3', program('ledger.py'), String(LEDGER_PORT)]);
    await listening(lab, ledger, LEDGER_PORT);
    const places = [String(API_PORT), ledger.address4, String(LEDGER_PORT)];
    this.#serve(api, ['python3', program('api.py'), ...places]);
    await listening(lab, api, API_PORT);
    const config = join(this.#folder, 'nginx.conf');
    writeFileSync(config, this.#frontConfig());
    this.#serve(web, ['nginx', '-p', this.#folder, '-c', config, '-e', join(this.#folder, 'nginx.log')]);
    await listening(lab, web, WEB_PORT);
  }

  /** Starts a client that asks for a URL every so often; see shop/customer.ts for what it prints. */
  customer(host: LabHost, url: string, intervalMs: number): ChildProcess {
    const command = [process.execPath, program('customer.ts'), url, String(intervalMs)];
    return this.lab.start(host, command, { stdio: ['ignore', 'pipe', 'ignore'] });
  }

  async close(): Promise<void> {
    try {
      await this.lab.destroy();
    } finally {
      rmSync(this.#folder, { recursive: true, force: true });
    }
  }

  #serve(host: LabHost, command: readonly string[]): void {
    const log = openSync(join(this.#folder, `${host.name}.log`), 'a');
    const child = spawn('ip', ['netns', 'exec', host.netns, ...command], { stdio: ['ignore', log, log] });
    closeSync(log);
    this.lab.own(child);
  }

  /** The web front: nginx as its packages bring it, with the API behind. */
  #frontConfig(): string {
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((use) => `${use}_temp_path ${this.#folder}/${use};`)
      .join(' ');
    return `user root; worker_processes 1; daemon off; pid ${this.#folder}/nginx.pid;
error_log ${this.#folder}/nginx.log;
events { worker_connections 1024; }
http {
  access_log off; ${temporary}
  upstream api { server ${this.api.address4}:${API_PORT}; keepalive 8; }
  server {
    listen ${WEB_PORT}; listen [::]:${WEB_PORT};
    location / { proxy_http_version 1.1; proxy_set_header Connection ""; proxy_pass http://api; }
  }
}
`;
  }
}
