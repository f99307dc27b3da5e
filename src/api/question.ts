// SPDX-License-Identifier: Apache-2.0
import type { Endpoint, HttpRequest, Question } from '../core/policy/verdict.ts';
import { PerigeeError } from '../lib/errors.ts';

export interface WireHeader {
  readonly name?: string;
  readonly value?: string;
}

export interface WireQuestion {
  readonly source?: Endpoint;
  readonly destination?: Endpoint;
  readonly port?: number;
  readonly protocol?: string;
  readonly http?: {
    readonly method?: string;
    readonly path?: string;
    readonly host?: string;
    readonly headers?: readonly WireHeader[];
    readonly query?: readonly WireHeader[];
  };
}

function invalid(message: string, hint: string): PerigeeError {
  return new PerigeeError('ERR_QUESTION_INVALID', message, { hint });
}

function pairs(headers: readonly WireHeader[] = []): readonly (readonly [string, string])[] {
  return headers.map(({ name = '', value = '' }) => [name, value] as const);
}

function httpFromWire(wire: NonNullable<WireQuestion['http']>): HttpRequest {
  const { method = '', path = '', host = '', headers, query } = wire;
  if (method === '' || path === '') {
    throw invalid('a request needs a method and a path', 'Give both, for example GET and /');
  }
  return { method, path, host, headers: pairs(headers), query: pairs(query) };
}

function end(endpoint: Endpoint | undefined, which: string): Endpoint {
  const { workload, address } = endpoint ?? {};
  if (workload === undefined && address === undefined) {
    throw invalid(
      `the ${which} has neither a workload nor an address`,
      'Name it as namespace/name or by its IP address',
    );
  }
  return { ...(workload === undefined ? {} : { workload }), ...(address === undefined ? {} : { address }) };
}

export function questionFromWire(wire: WireQuestion): Question {
  const { source, destination, port = 0, protocol = 'TCP', http } = wire;
  if (protocol !== 'TCP' && protocol !== 'UDP') {
    throw invalid(`unknown protocol ${JSON.stringify(protocol)}`, 'TCP or UDP');
  }
  if (port < 1 || port > 65535)
    throw invalid(`${String(port)} is no port`, 'Ports are numbers from 1 to 65535');
  return {
    source: end(source, 'source'),
    destination: end(destination, 'destination'),
    port,
    protocol,
    ...(http === undefined ? {} : { http: httpFromWire(http) }),
  };
}

export function questionToWire(question: Question): WireQuestion {
  const { http, ...rest } = question;
  const headers = (list: HttpRequest['headers']): readonly WireHeader[] =>
    list.map(([name, value]) => ({ name, value }));
  if (http === undefined) return rest;
  return { ...rest, http: { ...http, headers: headers(http.headers), query: headers(http.query) } };
}
