// SPDX-License-Identifier: Apache-2.0
import { formatAddress, parseAddress } from '../../core/identity/address.ts';
import type { Endpoint, HttpRequest, Question } from '../../core/policy/verdict.ts';
import { PerigeeError } from '../../lib/errors.ts';

export interface QuestionFlags {
  readonly port: string;
  readonly protocol: string;
  readonly method?: string;
  readonly path?: string;
  readonly host?: string;
  readonly header?: readonly string[];
}

function usageError(message: string, hint: string): PerigeeError {
  return new PerigeeError('ERR_USAGE', message, { hint });
}

function endpoint(text: string): Endpoint {
  const address = parseAddress(text);
  if (address !== undefined) return { address: formatAddress(address) };
  if (/^[^/]+\/[^/]+$/.test(text)) return { workload: text };
  throw usageError(
    `neither a workload nor an address: ${JSON.stringify(text)}`,
    'Write namespace/name, or an IP address',
  );
}

function header(text: string): readonly [string, string] {
  const colon = text.indexOf(':');
  if (colon < 1)
    throw usageError(`--header: not a header: ${JSON.stringify(text)}`, "Write it as 'name: value'");
  return [text.slice(0, colon).trim(), text.slice(colon + 1).trim()];
}

function request(flags: QuestionFlags, fallbackHost: string): HttpRequest | undefined {
  const { method, path, host, header: headers } = flags;
  if (method === undefined && path === undefined && host === undefined && headers === undefined)
    return undefined;
  const target = path ?? '/';
  if (!target.startsWith('/'))
    throw usageError(`--path: ${JSON.stringify(target)} does not begin with /`, 'Write /orders');
  const mark = target.indexOf('?');
  const query = mark === -1 ? '' : target.slice(mark + 1);
  return {
    method: method ?? 'GET',
    path: mark === -1 ? target : target.slice(0, mark),
    host: host ?? fallbackHost,
    headers: (headers ?? []).map(header),
    query: [...new URLSearchParams(query)],
  };
}

/** The question that the arguments ask. Throws ERR_USAGE. */
export function questionFromFlags(from: string, to: string, flags: QuestionFlags): Question {
  const port = /^\d{1,5}$/.test(flags.port) ? Number(flags.port) : 0;
  if (port < 1 || port > 65535) {
    throw usageError(
      `--port: not a port: ${JSON.stringify(flags.port)}`,
      'Ports are numbers from 1 to 65535',
    );
  }
  const protocol = flags.protocol.toUpperCase();
  if (protocol !== 'TCP' && protocol !== 'UDP') {
    throw usageError(`--protocol: unknown value ${JSON.stringify(flags.protocol)}`, 'One of tcp, udp');
  }
  const destination = endpoint(to);
  const http = request(flags, destination.address ?? to.split('/')[1] ?? '');
  if (http !== undefined && protocol === 'UDP') {
    throw usageError('HTTP flags need --protocol tcp', 'Leave --method, --path, --host and --header out');
  }
  return { source: endpoint(from), destination, port, protocol, ...(http === undefined ? {} : { http }) };
}
