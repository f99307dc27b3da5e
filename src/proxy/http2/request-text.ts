// SPDX-License-Identifier: Apache-2.0
import { type IncomingHttpHeaders, sensitiveHeaders } from 'node:http2';
import { TOKEN } from '../../core/http/grammar.ts';
import { isGrpcContentType } from '../../core/http/grpc.ts';

/** Names and values in turn, as they came; names in lower case, one character per byte. */
export type RawHeaders = readonly string[];

/** A request's header list, taken apart. */
export interface StreamRequest {
  readonly method: string;
  readonly path: string;
  readonly authority: string;
  readonly isGrpc: boolean;
  /** The same as a head of HTTP/1, so that the one matcher judges it, and records describe it. */
  readonly head: Buffer;
}

const PSEUDO = [':method', ':scheme', ':authority', ':path'];
/** What would end a line or a word of the head: nghttp2 refuses most of it, and this must not depend on it. */
const UNSAFE = /[\r\n\0]/;
const UNSAFE_WORD = /[\r\n\0 \t]/;

/**
 * Reads a header list; undefined: it has no one meaning in HTTP/1 (RFC 9113 8.3.1), so policy could not judge it.
 * What is left to the matcher: everything that HTTP/1 has rules of its own for.
 */
export function readRequest(raw: RawHeaders): StreamRequest | undefined {
  const pseudo = new Map<string, string>();
  const lines: string[] = [];
  const cookies: string[] = [];
  let host: string | undefined;
  let isGrpc = false;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string;
    const value = String(raw[i + 1]);
    if (UNSAFE.test(value)) return undefined;
    if (name.startsWith(':')) {
      if (!PSEUDO.includes(name) || pseudo.has(name)) return undefined;
      pseudo.set(name, value);
    } else if (!isName(name)) return undefined;
    else if (name === 'cookie') cookies.push(value);
    else if (name === 'host') {
      if (host !== undefined) return undefined;
      host = value;
    } else {
      if (name === 'content-type') isGrpc = isGrpcContentType(value);
      lines.push(`${name}: ${value}\r\n`);
    }
  }
  const [method = '', path = '', authority = host ?? ''] = [':method', ':path', ':authority'].map((name) =>
    pseudo.get(name),
  );
  // A server may go by either.
  if (host !== undefined && host !== authority) return undefined;
  if ([method, path, authority].some((word) => UNSAFE_WORD.test(word))) return undefined;
  // One line again: crumbs are HTTP/2's own way to send it (RFC 9113 8.2.3).
  if (cookies.length > 0) lines.push(`cookie: ${cookies.join('; ')}\r\n`);
  const target = method === 'CONNECT' ? authority : path;
  const text = `${method} ${target} HTTP/1.1\r\nhost: ${authority}\r\n${lines.join('')}\r\n`;
  return { method, path, authority, isGrpc, head: Buffer.from(text, 'latin1') };
}

/** Of a field: HTTP's token, in lower case. */
function isName(name: string): boolean {
  const isToken = name !== '' && [...name].every((char) => TOKEN[char.charCodeAt(0)] === 1);
  return isToken && name === name.toLowerCase();
}

/** The list as it goes on: one name for the host, in the place that HTTP/2 has for it, and the scheme that it is. */
export function forwardedHeaders(
  { method, path, authority }: StreamRequest,
  { raw, headers }: { readonly raw: RawHeaders; readonly headers: IncomingHttpHeaders },
): string[] {
  const list = [':method', method, ':scheme', 'http', ':authority', authority, ':path', path];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string;
    if (!name.startsWith(':') && name !== 'host') list.push(name, raw[i + 1] as string);
  }
  return keepSensitive(list, headers);
}

/** What its sender kept out of compression tables stays out of them on the next hop (RFC 7541 7.1.3). */
export function keepSensitive(list: string[], headers: IncomingHttpHeaders): string[] {
  return Object.assign(list, { [sensitiveHeaders]: Reflect.get(headers, sensitiveHeaders) as unknown });
}
