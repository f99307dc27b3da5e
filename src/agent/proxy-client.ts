// SPDX-License-Identifier: Apache-2.0
import { type IncomingMessage, request } from 'node:http';
import type { ProxyLack, ProxyStatus } from '../core/proxy/control.ts';
import { LOSS_BYTES } from '../core/proxy/flow-frames.ts';
import { PerigeeError } from '../lib/errors.ts';
import type { ProxyPush } from './proxy-config.ts';

/** Time for one answer of the proxy, ms. */
const ANSWER_MS = 2000;
/** How often tables are sent for one configuration. */
const ROUNDS = 3;
/** A frame is a flow record with its tail: more is not one. */
const MAX_FRAME = 65536;

export interface FlowFrames {
  /** Record i is bytes[offsets[i]] to bytes[offsets[i + 1]]. */
  readonly onRecords: (bytes: Buffer, offsets: number[]) => void;
  /** So many records found their ring full, or this reader behind. */
  readonly onLost: (count: number) => void;
}

interface Answer {
  readonly code: number;
  readonly text: string;
}

/** The agent's end of the proxy's control socket (core/proxy/control.ts). */
export class ProxyClient {
  readonly socketPath: string;

  constructor(socketPath: string) {
    this.socketPath = socketPath;
  }

  /** Puts a configuration in force; tables that the proxy has already are not sent again. */
  async putConfig({ config, tables }: ProxyPush): Promise<ProxyStatus> {
    const body = JSON.stringify(config);
    let answer = await this.#ask('PUT', '/v1/config', body);
    // Another configuration that comes between may have thrown out what was sent.
    for (let round = 0; round < ROUNDS && answer.code === 409; round += 1) {
      for (const digest of (JSON.parse(answer.text) as ProxyLack).missing)
        await this.#exchange('PUT', `/v1/tables/${digest}`, tables.get(digest));
      answer = await this.#ask('PUT', '/v1/config', body);
    }
    return JSON.parse(this.#accepted(answer, 'PUT', '/v1/config')) as ProxyStatus;
  }

  async status(): Promise<ProxyStatus> {
    return JSON.parse(await this.#exchange('GET', '/v1/status')) as ProxyStatus;
  }

  async metrics(): Promise<string> {
    return this.#exchange('GET', '/v1/metrics');
  }

  async drain(): Promise<void> {
    await this.#exchange('POST', '/v1/drain');
  }

  /**
   * Follows the proxy's flows until the connection ends; frames are handed over in batches without copying.
   * Resolves when the stream ends, rejects when it cannot begin.
   */
  async followFlows(consumer: FlowFrames, signal: AbortSignal): Promise<void> {
    const response = await this.#open('GET', '/v1/flows', undefined, signal);
    let rest: Buffer = Buffer.alloc(0);
    for await (const chunk of response as AsyncIterable<Buffer>) {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      rest = takeFrames(bytes, consumer);
    }
  }

  async #exchange(method: string, path: string, body?: string | Uint8Array): Promise<string> {
    return this.#accepted(await this.#ask(method, path, body), method, path);
  }

  async #ask(method: string, path: string, body?: string | Uint8Array): Promise<Answer> {
    const response = await this.#open(method, path, body, AbortSignal.timeout(ANSWER_MS));
    const chunks: Buffer[] = [];
    for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
    return { code: response.statusCode ?? 500, text: Buffer.concat(chunks).toString('utf8') };
  }

  #accepted({ code, text }: Answer, method: string, path: string): string {
    if (code < 300) return text;
    throw new PerigeeError(
      'ERR_PROXY_REFUSED',
      `the proxy refused ${method} ${path}: ${text.slice(0, 500)}`,
      {
        object: this.socketPath,
      },
    );
  }

  #open(
    method: string,
    path: string,
    body: string | Uint8Array | undefined,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const outgoing = request({ socketPath: this.socketPath, method, path, signal }, resolve);
      outgoing.once('error', (cause) => {
        const hint = 'is the proxy running? `perigee status` shows it';
        reject(
          new PerigeeError('ERR_PROXY_UNREACHABLE', `the proxy does not answer on ${this.socketPath}`, {
            object: this.socketPath,
            hint,
            cause,
          }),
        );
      });
      outgoing.end(body);
    });
  }
}

/** Hands over the whole frames; returns the bytes of an unfinished one. */
function takeFrames(bytes: Buffer, { onRecords, onLost }: FlowFrames): Buffer {
  // Records stand between length prefixes, so they are moved together: the consumer wants them adjacent.
  const offsets = [0];
  let at = 0;
  let end = 0;
  while (at + 4 <= bytes.length) {
    const length = bytes.readUInt32LE(at);
    if (length > MAX_FRAME)
      throw new PerigeeError('ERR_PROXY_FRAME', `a flow frame of ${String(length)} bytes`);
    if (at + 4 + length > bytes.length) break;
    if (length === LOSS_BYTES) onLost(Number(bytes.readBigUInt64LE(at + 4)));
    else {
      bytes.copyWithin(end, at + 4, at + 4 + length);
      end += length;
      offsets.push(end);
    }
    at += 4 + length;
  }
  const rest = Buffer.from(bytes.subarray(at));
  if (offsets.length > 1) onRecords(bytes.subarray(0, end), offsets);
  return rest;
}
