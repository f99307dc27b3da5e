// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, test } from 'node:test';
import { standBy } from '../../src/proxy/stand-by.ts';

const folder = mkdtempSync(join(tmpdir(), 'perigee-stand-by-'));
const control = join(folder, 'proxy.sock');
after(() => rmSync(folder, { recursive: true }));

test('waits while somebody serves the socket, and no longer', async () => {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(control, resolve));
  let isOver = false;
  const waiting = standBy(control, new AbortController().signal, 1).then(() => {
    isOver = true;
  });
  await sleep(300);
  assert.equal(isOver, false);
  server.close();
  await waiting;
});

test('ends at once when it is told to', async () => {
  await standBy(control, AbortSignal.abort(), 60_000);
});
