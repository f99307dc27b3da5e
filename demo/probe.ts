// SPDX-License-Identifier: Apache-2.0
import type { Lab, LabHost } from '../test/support/lab.ts';

/** What came of one attempt. */
export interface Attempt {
  /** As a person would type it. */
  readonly command: string;
  /** `200`, `403`, `connected`, `refused (EPERM)`. */
  readonly outcome: string;
  /** First line of what came back; of HTTP, the status line and the body's first. */
  readonly said: string;
  /** Of a refusal by Perigee. */
  readonly reference?: string;
  readonly ms: number;
}

/** `http://[fd77::3]:8080/orders`, without the port where it is HTTP's own. */
export function urlOf(address: string, port: number, path: string): string {
  const host = address.includes(':') ? `[${address}]` : address;
  return `http://${host}${port === 80 ? '' : `:${port}`}${path}`;
}

const errnoNames: readonly (readonly [text: string, outcome: string])[] = [
  ['Operation not permitted', 'refused (EPERM)'],
  ['Connection refused', 'refused (ECONNREFUSED)'],
  ['Connection reset by peer', 'reset (ECONNRESET)'],
  ['timed out', 'timed out'],
];

/** curl from a machine; `more` are arguments before the URL. */
export function curl(lab: Lab, host: LabHost, url: string, more: readonly string[] = []): Attempt {
  // An exit code of its own for an HTTP error would hide the body, so no --fail.
  const patience = more.includes('--max-time') ? [] : ['--max-time', '5'];
  const shown = ['curl', '-s', '-i', ...patience, ...more, url];
  const started = performance.now();
  const { stdout, stderr } = lab.run(host, ['curl', '-v', ...shown.slice(1)]);
  const ms = performance.now() - started;
  const command = `ip netns exec ${host.netns} ${shown.map(quoted).join(' ')}`;
  const head = /^HTTP\/1\.1 (\d{3}).*/.exec(stdout);
  if (head === null) return { command, outcome: errnoOf(stderr), said: '', ms };
  const [, body = ''] = stdout.split('\r\n\r\n');
  const said = `${head[0].trim()}  ${body.trim().split('\n')[0] ?? ''}`;
  const reference = /^perigee-reference: ([0-9a-f]+)/im.exec(stdout)?.[1];
  const attempt = { command, outcome: head[1] ?? '', said, ms };
  return reference === undefined ? attempt : { ...attempt, reference };
}

/** Connects to a TCP port and takes what the server says first. */
export function connectTcp(lab: Lab, host: LabHost, address: string, port: number): Attempt {
  const place = address.includes(':') ? `TCP6:[${address}]:${port}` : `TCP4:${address}:${port}`;
  const shown = ['socat', '-u', '-T0.3', `${place},connect-timeout=3`, '-'];
  const started = performance.now();
  const { stdout, stderr } = lab.run(host, shown);
  const ms = performance.now() - started;
  const said = stdout.trim().split('\n')[0] ?? '';
  const command = `ip netns exec ${host.netns} ${shown.map(quoted).join(' ')}`;
  return { command, outcome: said === '' ? errnoOf(stderr) : 'connected', said, ms };
}

function errnoOf(complaint: string): string {
  const found = errnoNames.find(([text]) => complaint.includes(text));
  return found?.[1] ?? (complaint === '' ? 'nothing came back' : 'failed');
}

function quoted(word: string): string {
  return /^[\w./:,=@-]+$/.test(word) ? word : `'${word}'`;
}
