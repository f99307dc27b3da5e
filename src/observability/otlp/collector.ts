// SPDX-License-Identifier: Apache-2.0
import type { Agent, ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { PerigeeError } from '../../lib/errors.ts';

export type Signal = 'metrics' | 'logs' | 'traces';

/** What became of a request to the collector. */
export type Answer =
  | { readonly type: 'accepted'; readonly body: Buffer }
  /** Sending the same again would not help. */
  | { readonly type: 'refused'; readonly why: string }
  /** It is away, or has too much to do. */
  | { readonly type: 'unavailable'; readonly why: string; readonly retryAfterMs?: number };

export interface CollectorOptions {
  /** `http://collector:4318`, or with a path before `/v1/…`. */
  readonly endpoint: string;
  /** Asked for each request, so that secrets may change. */
  readonly headers: () => Readonly<Record<string, string>>;
  /** Certificates of authorities, PEM; undefined: those that Node.js brings. */
  readonly ca: string | undefined;
  readonly timeoutMs: number;
  readonly userAgent: string;
}

/** Of an answer that is read, bytes: more than an error's text needs. */
const MAX_ANSWER = 64 * 1024;
/** Statuses by which OTLP says that the same may be sent again later. */
const RETRYABLE = new Set([429, 502, 503, 504]);
/** Longest time that a collector may ask for, ms. */
const MAX_RETRY_AFTER_MS = 60_000;

const compress = promisify(gzip);

const untrusted = 'its certificate is not trusted: name its authority by otlp.caFile';
/** What errors of TLS mean here. */
const tlsProblems: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted,
  SELF_SIGNED_CERT_IN_CHAIN: untrusted,
  UNABLE_TO_GET_ISSUER_CERT: untrusted,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted,
  CERT_SIGNATURE_FAILURE: 'otlp.caFile holds another authority of the same name',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name than that of otlp.endpoint',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  EPROTO: 'it may not speak TLS, and otlp.endpoint says https',
};

function reasonOf({ code = 'unknown error', message }: NodeJS.ErrnoException): string {
  const problem = tlsProblems[code];
  return problem === undefined ? message || code : `${problem} (${code})`;
}

function retryAfter(header: string | undefined): { readonly retryAfterMs?: number } {
  const ms = Number(header) * 1000;
  return header !== undefined && ms >= 0 ? { retryAfterMs: Math.min(ms, MAX_RETRY_AFTER_MS) } : {};
}

function answerOf({ statusCode = 0, statusMessage = '', headers }: IncomingMessage, body: Buffer): Answer {
  if (statusCode >= 200 && statusCode < 300) return { type: 'accepted', body };
  const why = `status ${String(statusCode)} ${statusMessage}`.trimEnd();
  if (RETRYABLE.has(statusCode)) return { type: 'unavailable', why, ...retryAfter(headers['retry-after']) };
  return { type: 'refused', why };
}

/** Collects a body; one that is too long is cut, which its reader notices. */
async function bodyOf(response: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    length += part.length;
    if (length <= MAX_ANSWER) parts.push(part);
  }
  return Buffer.concat(parts);
}

interface Transport {
  readonly request: (url: URL, options: RequestOptions) => ClientRequest;
  readonly agent: Agent;
}

/** Posts OTLP over HTTP, one connection kept for each signal. */
export class Collector {
  readonly #options: CollectorOptions;
  readonly #base: URL;
  readonly #transport: Promise<Transport>;

  /** Throws ERR_OTLP_ENDPOINT. */
  constructor(options: CollectorOptions) {
    this.#options = options;
    this.#base = baseOf(options.endpoint);
    this.#transport = transportOf(this.#base, options.ca);
    // Whoever sends is told.
    this.#transport.catch(() => undefined);
  }

  async send(signal: Signal, message: Uint8Array, until: AbortSignal): Promise<Answer> {
    const { timeoutMs } = this.#options;
    const deadline = AbortSignal.any([until, AbortSignal.timeout(timeoutMs)]);
    try {
      return await this.#post(signal, await compress(message), deadline);
    } catch (error) {
      if (deadline.aborted && !until.aborted)
        return { type: 'unavailable', why: `no answer within ${String(timeoutMs)} ms` };
      return { type: 'unavailable', why: reasonOf(error as NodeJS.ErrnoException) };
    }
  }

  async #post(signal: Signal, body: Buffer, deadline: AbortSignal): Promise<Answer> {
    const { request, agent } = await this.#transport;
    const headers = {
      ...this.#options.headers(),
      'user-agent': this.#options.userAgent,
      'content-type': 'application/x-protobuf',
      'content-encoding': 'gzip',
      'content-length': body.length,
    };
    const url = new URL(`v1/${signal}`, this.#base);
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request(url, { method: 'POST', agent, headers, signal: deadline })
        .once('response', resolve)
        .once('error', reject)
        .end(body);
    });
    return answerOf(response, await bodyOf(response));
  }

  async close(): Promise<void> {
    (await this.#transport).agent.destroy();
  }
}

function baseOf(endpoint: string): URL {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol))
    throw new PerigeeError(
      'ERR_OTLP_ENDPOINT',
      `not the address of a collector: ${JSON.stringify(endpoint)}`,
      {
        object: 'otlp.endpoint',
        hint: 'Write it as http://collector:4318',
      },
    );
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return url;
}

/** Idle connections may be closed by what lies between; a request that finds one closed is tried again with its batch. */
async function transportOf({ protocol }: URL, ca: string | undefined): Promise<Transport> {
  const options = { keepAlive: true, maxSockets: 3 };
  if (protocol === 'http:') {
    const { request, Agent: HttpAgent } = await import('node:http');
    return { request, agent: new HttpAgent(options) };
  }
  const { request, Agent: HttpsAgent } = await import('node:https');
  return { request, agent: new HttpsAgent({ ...options, ...(ca === undefined ? {} : { ca }) }) };
}
