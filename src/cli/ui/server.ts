// SPDX-License-Identifier: Apache-2.0
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { PerigeeError, messageOf } from '../../lib/errors.ts';

const types: Readonly<Record<string, string>> = {
  'index.html': 'text/html; charset=utf-8',
  'app.js': 'text/javascript; charset=utf-8',
  'app.css': 'text/css; charset=utf-8',
};

/** Nothing comes from elsewhere, nothing is written into the page, nobody frames it. */
const headers = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
} as const;

const COOKIE = 'perigee-ui';

export interface UiServerOptions {
  /** `127.0.0.1:0` takes a free port. */
  readonly listen: { readonly host: string; readonly port: number };
  /** Folder of index.html, app.js, app.css. */
  readonly assets: string;
  /** Answers of the page's questions, by path. */
  readonly answers: Readonly<Record<string, (query: URLSearchParams) => unknown>>;
}

export interface UiServer {
  /** With the token that lets a browser in. */
  readonly url: string;
  close(): Promise<void>;
}

function isSame(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

function cookieOf(request: IncomingMessage): string {
  const pairs = (request.headers.cookie ?? '').split(';').map((pair) => pair.trim().split('='));
  return pairs.find(([name]) => name === COOKIE)?.[1] ?? '';
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string | Buffer;
}

function plain(status: number, text: string): Answer {
  return {
    status,
    type: 'text/plain; charset=utf-8',
    body: `${text}
`,
  };
}

function send(response: ServerResponse, { status, type, body }: Answer): void {
  response.writeHead(status, { ...headers, 'content-type': type }).end(body);
}

/**
 * Serves the page to whoever knows the token: the agent's socket is not for everybody on the machine, and its flows
 * must not become so by a port. A page of another site can't ask by a name of its own that leads here: the name is
 * checked.
 */
export async function startUiServer({ listen, assets, answers }: UiServerOptions): Promise<UiServer> {
  const token = randomBytes(24).toString('base64url');
  const files = new Map(Object.keys(types).map((name) => [name, readFileSync(join(assets, name))]));
  const names = new Set(['localhost', '127.0.0.1', '[::1]', listen.host]);

  /** What a request gets; undefined: it was let in and is sent to the page. */
  const answerTo = async (request: IncomingMessage): Promise<Answer | undefined> => {
    const url = new URL(request.url ?? '/', 'http://perigee');
    const name = (request.headers.host ?? '').replace(/:\d+$/, '');
    if (!names.has(name)) return plain(421, 'not the name of this page');
    if (request.method !== 'GET' && request.method !== 'HEAD') return plain(405, 'this page only shows');
    const given = url.searchParams.get('token');
    if (given !== null && isSame(given, token)) return undefined;
    if (!isSame(cookieOf(request), token)) return plain(401, 'open the address that `perigee ui` printed');
    const file = url.pathname === '/' ? 'index.html' : url.pathname.slice(1);
    const body = files.get(file);
    if (body !== undefined) return { status: 200, type: types[file] ?? '', body };
    const answer = answers[url.pathname];
    if (answer === undefined) return plain(404, 'not found');
    return { status: 200, type: 'application/json', body: JSON.stringify(await answer(url.searchParams)) };
  };
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const answer = await answerTo(request);
    if (answer !== undefined) {
      send(response, answer);
      return;
    }
    const cookie = `${COOKIE}=${token}; HttpOnly; SameSite=Strict; Path=/`;
    response.writeHead(303, { ...headers, 'set-cookie': cookie, location: '/' }).end();
  };
  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => {
      const message = messageOf(error);
      send(response, plain(error instanceof PerigeeError ? 502 : 500, message));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const message = `cannot listen for the page: ${cause.code ?? cause.message}`;
      const object = `${listen.host}:${String(listen.port)}`;
      const hint = 'Free the port, or name another one with --listen';
      reject(new PerigeeError('ERR_UI_LISTEN', message, { object, hint, cause }));
    });
    server.listen(listen.port, listen.host.replace(/^\[|\]$/g, ''), resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${listen.host}:${String(port)}/?token=${token}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
