// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ProxyClient } from '../../src/agent/proxy-client.ts';
import { FlowRing, flowRingMemory } from '../../src/proxy/flow-ring.ts';
import { FlowStream } from '../../src/proxy/flow-stream.ts';
import { record } from '../support/flow-records.ts';

test('what a full ring lost is told in the stream, also of before there was a reader', async () => {
  const memory = flowRingMemory(4096);
  const stream = new FlowStream([new FlowRing(memory)]);
  const ring = new FlowRing(memory);
  const bytes = record({ method: 'GET', urlPath: '/a' });
  const write = (count: number): void => {
    for (let index = 0; index < count; index += 1) {
      const at = ring.begin(bytes.length);
      if (at < 0) continue;
      ring.bytes.set(bytes, at);
      ring.commit();
    }
    ring.publish();
  };
  const folder = mkdtempSync(join(tmpdir(), 'perigee-stream-'));
  const server = createServer((_, response) => stream.subscribe(response)).listen(join(folder, 's'));
  await once(server, 'listening');
  try {
    write(100);
    const seen = { records: 0, lost: 0 };
    const end = new ProxyClient(join(folder, 's')).followFlows(
      {
        onRecords: (all, offsets) => {
          for (const [index, start] of offsets.slice(0, -1).entries())
            assert.deepEqual(all.subarray(start, offsets[index + 1]), bytes);
          seen.records += offsets.length - 1;
        },
        onLost: (count) => {
          seen.lost += count;
        },
      },
      new AbortController().signal,
    );
    while (seen.records + seen.lost < 100) {
      stream.pump();
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(seen.lost > 0);
    write(50);
    stream.end();
    await end;
    assert.equal(seen.records + seen.lost, 150);
  } finally {
    server.close();
    rmSync(folder, { recursive: true });
  }
});
