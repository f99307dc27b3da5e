// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { compile } from '../../src/core/automaton/compile.ts';
import { HeadStatus, RequestHead } from '../../src/core/automaton/executor.ts';
import { load } from '../../src/core/automaton/table.ts';
import { factsOf, feed } from '../support/head-facts.ts';
import { requestHead } from '../support/http-arbitrary.ts';

interface Seen {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly version: string;
  readonly body: string;
}

/** What Node's own strict parser makes of the bytes, or its error. */
async function askNode(text: string): Promise<Seen | string> {
  const server = http.createServer({ requireHostHeader: true, insecureHTTPParser: false });
  const seen = new Promise<Seen | string>((resolve) => {
    const report = (request: http.IncomingMessage): void => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { method, url, httpVersion } = request;
        resolve({ method, url, version: httpVersion, body: Buffer.concat(chunks).toString('latin1') });
      });
    };
    const tunnel = ({ method, url, httpVersion }: http.IncomingMessage): void =>
      resolve({ method, url, version: httpVersion, body: '' });
    server.on('request', report).on('checkContinue', report);
    server.on('connect', tunnel).on('upgrade', tunnel);
    server.on('clientError', (error: NodeJS.ErrnoException) => resolve(`${error.code}`));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = net.connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.on('data', () => undefined);
  socket.write(Buffer.from(text, 'latin1'));
  const result = await seen;
  socket.destroy();
  server.closeAllConnections();
  server.close();
  return result;
}

test("what is accepted here means the same to Node's parser", async () => {
  const head = new RequestHead(load(compile([{ rule: 1, action: 'Allow', matches: [] }]).bytes));
  const methods = new Set(http.METHODS);
  let compared = 0;
  await fc.assert(
    fc.asyncProperty(requestHead, async (text) => {
      if (feed(head, text, []) !== HeadStatus.Done) return;
      const facts = factsOf(head, text);
      if (!methods.has(facts.method) || facts.contentLength > 100) return;
      const body =
        facts.framing === 'length'
          ? 'x'.repeat(facts.contentLength)
          : facts.framing === 'chunked'
            ? 'abc'
            : '';
      const framed = facts.framing === 'chunked' ? `3\r\n${body}\r\n0\r\n\r\n` : body;
      const seen = await askNode(text.slice(0, facts.length) + framed);
      assert.ok(typeof seen !== 'string', `Node refused ${JSON.stringify(text)}: ${JSON.stringify(seen)}`);
      const { method, url, version } = seen;
      assert.deepEqual([method, url, version], [facts.method, facts.target, `1.${facts.minor}`], text);
      if (!facts.upgrade) assert.equal(seen.body, body, JSON.stringify(text));
      compared++;
    }),
    { numRuns: 800 },
  );
  assert.ok(compared > 200, `only ${compared} compared`);
});
