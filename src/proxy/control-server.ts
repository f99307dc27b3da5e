// SPDX-License-Identifier: Apache-2.0
import { chmod, mkdir, rename } from 'node:fs/promises';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { dirname } from 'node:path';
import type { ProxyLack, ProxyStatus } from '../core/proxy/control.ts';
import { PerigeeError, messageOf } from '../lib/errors.ts';

/** Larger than any configuration that the schema admits in practice. */
const MAX_BODY_BYTES = 256 * 1024 * 1024;
const HANDOVER_TIMEOUT_MS = 5000;

/** What the control socket can do; see core/proxy/control.ts for the contract. */
export interface ControlTarget {
  /** Returns the digests of tables that are missing: then nothing has changed. */
  configure(json: unknown): Promise<readonly string[]>;
  addTable(digest: string, bytes: Uint8Array): void;
  status(): Promise<ProxyStatus>;
  metrics(): Promise<string>;
  subscribe(response: ServerResponse): void;
  drain(): void;
}

/** HTTP over a unix socket that only root can open. */
export class ControlServer {
  private readonly server: Server;
  private readonly path: string;
  private readonly target: ControlTarget;

  constructor(path: string, target: ControlTarget) {
    this.path = path;
    this.target = target;
    this.server = createServer((incoming, response) => {
      this.answer(incoming, response).catch((error: unknown) => fail(response, error));
    });
  }

  /** Takes the path over from whoever has it now, in one step. */
  async open(): Promise<void> {
    const temporary = `${this.path}.${String(process.pid)}`;
    await mkdir(dirname(this.path), { recursive: true });
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(temporary, resolve);
    });
    await chmod(temporary, 0o600);
    await rename(temporary, this.path);
  }

  /** The path stays: it may be another proxy's by now, and a dead socket does no harm. */
  close(): void {
    this.server.close();
    this.server.closeIdleConnections();
  }

  private async answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked = `${incoming.method ?? ''} ${incoming.url ?? ''}`;
    const digest = /^PUT \/v1\/tables\/([0-9a-f]{64})$/.exec(asked)?.[1];
    if (digest !== undefined) {
      this.target.addTable(digest, await readBody(incoming));
      response.writeHead(204).end();
      return;
    }
    switch (asked) {
      case 'PUT /v1/config':
        await this.configure(incoming, response);
        break;
      case 'GET /v1/status':
        reply(response, 200, await this.target.status());
        break;
      case 'GET /v1/metrics':
        response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' });
        response.end(await this.target.metrics());
        break;
      case 'GET /v1/flows':
        this.target.subscribe(response);
        break;
      case 'POST /v1/drain':
        this.target.drain();
        reply(response, 202, {});
        break;
      default:
        reply(response, 404, { code: 'ERR_NOT_FOUND', message: asked });
    }
  }

  private async configure(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const missing = await this.target.configure(await readJson(incoming));
    if (missing.length === 0) reply(response, 200, await this.target.status());
    else reply(response, 409, { missing } satisfies ProxyLack);
  }
}

/** Asks the proxy behind a control socket to drain; false: there is none. */
export function askToDrain(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const asking = request({ socketPath, path: '/v1/drain', method: 'POST', timeout: HANDOVER_TIMEOUT_MS });
    asking.on('response', (response) => {
      response.resume();
      resolve(response.statusCode === 202);
    });
    asking.on('timeout', () => asking.destroy());
    asking.on('error', () => resolve(false));
    asking.end();
  });
}

async function readBody(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) throw new PerigeeError('ERR_PROXY_CONFIG', 'the body is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function readJson(incoming: IncomingMessage): Promise<unknown> {
  const body = await readBody(incoming);
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new PerigeeError('ERR_PROXY_CONFIG', 'the body is not JSON', { cause: error });
  }
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

function fail(response: ServerResponse, error: unknown): void {
  const code = error instanceof PerigeeError ? error.code : 'ERR_PROXY_INTERNAL';
  const message = messageOf(error);
  if (response.headersSent) response.destroy();
  else reply(response, code === 'ERR_PROXY_CONFIG' ? 400 : 500, { code, message });
}
