// SPDX-License-Identifier: Apache-2.0
import { reason } from '../abi/reason.ts';

const statusText: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  403: 'Forbidden',
  408: 'Request Timeout',
  413: 'Content Too Large',
  417: 'Expectation Failed',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
};

const statusOf: Readonly<Record<number, number>> = {
  [reason['policy-denied']]: 403,
  [reason['policy-no-rule']]: 403,
  [reason['policy-changed']]: 403,
  [reason['policy-state-missing']]: 403,
  [reason['http-denied']]: 403,
  [reason['http-no-rule']]: 403,
  [reason['http-upgrade-refused']]: 403,
  [reason['http-malformed']]: 400,
  [reason['http-framing']]: 400,
  [reason['http-target-ambiguous']]: 400,
  [reason['http-trailer']]: 400,
  [reason['http-too-complex']]: 403,
  [reason['http-head-too-large']]: 431,
  [reason['http-too-many-headers']]: 431,
  [reason['http-head-timeout']]: 408,
  [reason['http-response-malformed']]: 502,
  [reason['upstream-unreachable']]: 502,
  [reason['upstream-closed']]: 502,
  [reason['upstream-timeout']]: 504,
  [reason['connection-limit']]: 503,
  [reason['memory-limit']]: 503,
  [reason['proxy-draining']]: 503,
};

/** The status that answers a request refused for a reason. */
export function refusalStatus(reason: number): number {
  return statusOf[reason] ?? 500;
}

/** What the client reads; it must not tell an intruder which rule it missed. */
const sentence: Readonly<Record<number, string>> = {
  400: 'the request is malformed',
  403: 'the request is not allowed by policy',
  408: 'the request head took too long',
  413: 'the request body is too large',
  417: 'the expectation is not supported',
  431: 'the request head is too large',
  500: 'the proxy failed',
  501: 'the transfer coding is not supported',
  502: 'the server did not give a valid response',
  503: 'this workload is over its share of the proxy',
  504: 'the server did not answer in time',
  505: 'the HTTP version is not supported',
};

/** @param reference 16 hexadecimal digits */
export function refusalSentence(status: number, reference: string): string {
  return `perigee: ${sentence[status] ?? 'refused'} (reference ${reference})`;
}

/**
 * A whole response that refuses a request. Answers to HEAD carry no body.
 * @param reference 16 hexadecimal digits
 */
export function refusalResponse(status: number, reference: string, close: boolean, isHead: boolean): string {
  const body = `${refusalSentence(status, reference)}\n`;
  const head =
    `HTTP/1.1 ${status} ${statusText[status] ?? 'Refused'}\r\n` +
    `content-type: text/plain; charset=utf-8\r\ncontent-length: ${body.length}\r\n` +
    `cache-control: no-store\r\nperigee-reference: ${reference}\r\n` +
    (close ? 'connection: close\r\n\r\n' : '\r\n');
  return isHead ? head : head + body;
}
