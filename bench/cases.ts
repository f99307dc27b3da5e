// SPDX-License-Identifier: Apache-2.0

/** Ports of the server: what is governed at layer 4 only, and what HTTP rules govern, by the proxy or in the kernel. */
export const PLAIN_PORT = 8080;
export const RULED_PORT = 8081;
export const INLINE_PORT = 8082;

/** What the request head of `keepalive-1k` adds up to, bytes. */
const LONG_HEAD_BYTES = 370;
const BULK_FILE_MIB = 64;
export const bulkFileBytes = BULK_FILE_MIB * 1024 * 1024;

/** Rounds at most of some cases, so that the whole stays under 15 minutes. */
export const MOST_ROUNDS: Readonly<Partial<Record<CaseName, number>>> = { single: 5, bulk: 5 };

export const caseNames = ['keepalive', 'keepalive-1k', 'short', 'single', 'bulk'] as const;
export type CaseName = (typeof caseNames)[number];

/** Requests by wrk, one thread, for some seconds. */
export interface RequestCase {
  readonly type: 'requests';
  readonly name: CaseName;
  readonly description: string;
  readonly connections: number;
  readonly path: string;
  /** Header lines beside Host, for the value of Host. */
  readonly headers: (host: string) => readonly string[];
}

/** Downloads of one file over one connection, by curl. */
export interface BulkCase {
  readonly type: 'bulk';
  readonly name: CaseName;
  readonly description: string;
  readonly path: string;
}

export type Case = RequestCase | BulkCase;

const none = (): readonly string[] => [];

export const cases: Readonly<Record<CaseName, Case>> = {
  keepalive: {
    type: 'requests',
    name: 'keepalive',
    description: '64 connections kept open, a head of some 50 bytes, a body of 35 bytes',
    connections: 64,
    path: '/',
    headers: none,
  },
  'keepalive-1k': {
    type: 'requests',
    name: 'keepalive-1k',
    description: `64 connections kept open, a head of ${LONG_HEAD_BYTES} bytes, a body of 1 KiB`,
    connections: 64,
    path: '/1k',
    headers: (host) => longHead('/1k', host),
  },
  short: {
    type: 'requests',
    name: 'short',
    description: 'one request per connection (`Connection: close`), 64 at a time',
    connections: 64,
    path: '/',
    headers: () => ['Connection: close'],
  },
  single: {
    type: 'requests',
    name: 'single',
    description: 'one connection kept open, one request at a time: latency',
    connections: 1,
    path: '/',
    headers: none,
  },
  bulk: {
    type: 'bulk',
    name: 'bulk',
    description: `one connection, downloads of ${BULK_FILE_MIB} MiB`,
    path: '/bulk',
  },
};

/** Headers as browsers send them, padded to the length. */
function longHead(path: string, host: string): readonly string[] {
  const headers = [
    'User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0',
    'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
    'Accept-Language: en-GB,en;q=0.5',
  ];
  const head = [`GET ${path} HTTP/1.1`, `Host: ${host}`, ...headers, 'Cookie: ', '', ''].join('\r\n');
  return [...headers, `Cookie: ${'c'.repeat(LONG_HEAD_BYTES - head.length)}`];
}
