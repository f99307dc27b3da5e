// SPDX-License-Identifier: Apache-2.0
import type { PathName } from './path.ts';

/** Ports of the server: what is governed at layer 4 only, and what HTTP rules govern, by the proxy or in the kernel. */
export const PLAIN_PORT = 8080;
export const RULED_PORT = 8081;
export const INLINE_PORT = 8082;

/** What the request head of `keepalive-1k` and `varied` adds up to, bytes. */
const LONG_HEAD_BYTES = 370;
const BULK_FILE_MIB = 64;
export const bulkFileBytes = BULK_FILE_MIB * 1024 * 1024;

/** Rounds at most of some cases, so that the whole stays under 15 minutes. */
export const MOST_ROUNDS: Readonly<Partial<Record<CaseName, number>>> = { varied: 5, single: 4, bulk: 5 };

export const caseNames = ['keepalive', 'keepalive-1k', 'varied', 'short', 'single', 'bulk'] as const;
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
  /** No head comes twice in a turn: a number that differs is in the query and in a header. */
  readonly isVaried?: true;
  /** Where it isn't measured on all. */
  readonly paths?: readonly PathName[];
}

/** Downloads of one file over one connection, by curl. */
export interface BulkCase {
  readonly type: 'bulk';
  readonly name: CaseName;
  readonly description: string;
  readonly path: string;
}

export type Case = RequestCase | BulkCase;

/** What `load.lua` replaces in a varied head by another number of eight digits. */
const NUMBER = '00000000';
const variedPath = `/1k?n=${NUMBER}`;
const variedHeader = `X-Request-Id: ${NUMBER}`;

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
  varied: {
    type: 'requests',
    name: 'varied',
    description: 'as keepalive-1k, but no head comes twice: query and request id differ',
    connections: 64,
    path: variedPath,
    headers: (host) => longHead(variedPath, host, [variedHeader]),
    isVaried: true,
    paths: ['bare', 'inline', 'boost'],
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
function longHead(path: string, host: string, more: readonly string[] = []): readonly string[] {
  const headers = [
    ...more,
    'User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0',
    'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
    'Accept-Language: en-GB,en;q=0.5',
  ];
  const head = [`GET ${path} HTTP/1.1`, `Host: ${host}`, ...headers, 'Cookie: ', '', ''].join('\r\n');
  return [...headers, `Cookie: ${'c'.repeat(LONG_HEAD_BYTES - head.length)}`];
}

export function isMeasuredOn(load: Case, path: PathName): boolean {
  return load.type !== 'requests' || load.paths === undefined || load.paths.includes(path);
}
