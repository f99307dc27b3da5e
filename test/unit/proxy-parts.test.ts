// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { compile } from '../../src/core/automaton/compile.ts';
import { tableDigest } from '../../src/core/automaton/digest.ts';
import { proxyConfig, proxyLimits } from '../../src/core/proxy/config.ts';
import { stateTables } from '../../src/core/proxy/places.ts';
import { Counters, methodIndex, METHODS } from '../../src/proxy/counters.ts';
import { exposition } from '../../src/proxy/exposition.ts';
import { FlowRing, flowRingMemory } from '../../src/proxy/flow-ring.ts';
import { RefusalWriter } from '../../src/proxy/refusal.ts';
import { SourcePorts } from '../../src/proxy/source-ports.ts';
import { StateFile } from '../../src/proxy/state-file.ts';
import { TableStore } from '../../src/proxy/table-store.ts';
import { Timed, TimerWheel } from '../../src/proxy/timers.ts';

class Alarm extends Timed {
  readonly rang: number[] = [];
  override expired(nowMs: number): void {
    this.rang.push(nowMs);
  }
}

describe('timers', () => {
  test('ring once, not before their time and a tick after it at most', () => {
    const wheel = new TimerWheel(0, 50);
    const alarm = new Alarm();
    wheel.set(alarm, 1000);
    for (let now = 0; now < 1000; now += 10) wheel.advance(now);
    assert.deepEqual(alarm.rang, []);
    wheel.advance(1050);
    wheel.advance(5000);
    assert.deepEqual(alarm.rang, [1050]);
  });

  test('a deadline that moves on does not ring; one that moves nearer rings in time', () => {
    const wheel = new TimerWheel(0, 50);
    const [later, sooner] = [new Alarm(), new Alarm()];
    wheel.set(later, 100);
    wheel.set(later, 100_000);
    wheel.set(sooner, 100_000);
    wheel.set(sooner, 200);
    for (let now = 0; now < 99_000; now += 50) wheel.advance(now);
    assert.deepEqual(later.rang, []);
    assert.deepEqual(sooner.rang, [200]);
    wheel.advance(100_050);
    assert.equal(later.rang.length, 1);
  });

  test('a cleared deadline never rings, also when the clock jumps', () => {
    const wheel = new TimerWheel(0, 50);
    const [cleared, kept] = [new Alarm(), new Alarm()];
    wheel.set(cleared, 500);
    wheel.set(kept, 500);
    wheel.clear(cleared);
    wheel.advance(10_000_000);
    assert.deepEqual(cleared.rang, []);
    assert.equal(kept.rang.length, 1);
  });
});

describe('the ring of flow records', () => {
  const put = (ring: FlowRing, text: string): boolean => {
    const at = ring.begin(text.length);
    if (at < 0) return false;
    ring.bytes.set(Buffer.from(text, 'latin1'), at);
    ring.commit();
    ring.publish();
    return true;
  };
  const take = (ring: FlowRing, size = 65536): string[] => {
    const target = Buffer.alloc(size);
    const texts: string[] = [];
    for (let { bytes } = ring.read(target); bytes > 0; bytes = ring.read(target).bytes) {
      for (let at = 0; at < bytes; at += 4 + target.readUInt32LE(at)) {
        texts.push(target.toString('latin1', at + 4, at + 4 + target.readUInt32LE(at)));
      }
    }
    return texts;
  };

  test('what is written is read, in order, over many turns and all sizes', () => {
    const ring = new FlowRing(flowRingMemory(1000));
    let written = 0;
    let read = 0;
    for (let round = 0; round < 2000; round++) {
      for (let n = 0; n < round % 4; n++)
        if (put(ring, String(written).padEnd((round * 7) % 200, '.'))) written++;
      for (const text of take(ring, 300)) assert.equal(parseInt(text, 10), read++);
    }
    assert.equal(read, written);
    assert.equal(ring.lost, 0);
  });

  test('a full ring loses the newest, counts it, and goes on when there is room', () => {
    const ring = new FlowRing(flowRingMemory(1000));
    let kept = 0;
    for (let n = 0; n < 100; n++) if (put(ring, `record ${String(n)}`.padEnd(50))) kept++;
    assert.equal(ring.lost, 100 - kept);
    const texts = take(ring);
    assert.equal(texts.length, kept);
    assert.ok(texts[0]?.startsWith('record 0'));
    assert.ok(put(ring, 'again'));
    assert.deepEqual(take(ring), ['again']);
  });
});

test('methods are told apart byte by byte; what is none of them is `other`', () => {
  for (const [index, name] of METHODS.entries()) {
    const bytes = Buffer.from(`xx${name} `);
    assert.equal(methodIndex(bytes, 2, 2 + name.length), index);
  }
  assert.equal(METHODS[methodIndex(Buffer.from('get'), 0, 3)], 'other');
  assert.equal(METHODS[methodIndex(Buffer.from('PROPFIND'), 0, 8)], 'other');
});

test('a refusal states its length and carries a fresh reference in head and body; HEAD gets the head only', () => {
  const writer = new RefusalWriter();
  const text = writer.bytes.toString('latin1', 0, writer.write(403, true, false));
  const reference = /perigee-reference: ([0-9a-f]{16})\r\n/.exec(text)?.[1] ?? '';
  const [head = '', body = ''] = text.split('\r\n\r\n');
  assert.match(
    head,
    new RegExp(`^HTTP/1\\.1 403 Forbidden\r\n[^]*content-length: ${String(body.length)}\r\n`),
  );
  assert.ok(body.includes(reference));
  assert.equal((BigInt(writer.referenceHigh) << 32n) | BigInt(writer.referenceLow), BigInt(`0x${reference}`));
  const again = writer.bytes.toString('latin1', 0, writer.write(403, false, true));
  assert.ok(again.endsWith('\r\n\r\n'));
  assert.ok(!again.includes(reference) && !again.includes('connection'));
});

test('metrics: workers are added up, buckets accumulate, labels are escaped', () => {
  const worker = (): Counters => {
    const counters = new Counters();
    const meter = counters.meter('shop/"a"', 'shop/b');
    counters.request(meter, 0, 200, 3e6);
    counters.request(meter, 0, 403, 4e9);
    counters.call(meter, 0);
    counters.call(meter, 14);
    counters.call(meter, -1);
    counters.drop(33);
    return counters;
  };
  const scrape = {
    counters: worker().snapshot(),
    connections: 2,
    byWorkload: [],
    netnsInUse: [],
    queuedBytes: 0,
    pooled: 1,
  };
  const text = exposition({ workers: [scrape, scrape], rssBytes: 5, revision: 7 });
  const parties = 'source_workload="shop/\\"a\\"",destination_workload="shop/b"';
  for (const line of [
    `perigee_http_requests_total{${parties},method="GET",code="200",path_mode="proxied"} 2`,
    `perigee_http_request_duration_seconds_bucket{${parties},path_mode="proxied",le="0.0025"} 0`,
    `perigee_http_request_duration_seconds_bucket{${parties},path_mode="proxied",le="0.005"} 2`,
    `perigee_http_request_duration_seconds_bucket{${parties},path_mode="proxied",le="+Inf"} 4`,
    `perigee_http_request_duration_seconds_count{${parties},path_mode="proxied"} 4`,
    ...['OK', 'UNAVAILABLE', 'none'].map(
      (status) => `perigee_grpc_requests_total{${parties},grpc_status="${status}"} 2`,
    ),
    'perigee_drops_total{reason="http-no-rule"} 2',
    'perigee_proxy_connections 4',
  ]) {
    assert.ok(text.split('\n').includes(line), line);
  }
});

test('source ports go round, odd ones only, each address for itself', () => {
  const ports = new SourcePorts(() => 0.5);
  const seen = new Set<number>();
  for (let n = 0; n < 14_116; n++) seen.add(ports.next(3, '10.0.0.1'));
  assert.equal(seen.size, 14_116);
  assert.ok([...seen].every((port) => port % 2 === 1 && port > 32_768 && port <= 61_000));
  assert.ok(seen.has(ports.next(3, '10.0.0.1')));
  assert.equal(ports.next(3, '10.0.0.2'), new SourcePorts(() => 0.5).next(9, 'x'));
});

describe('the state file', () => {
  const config = proxyConfig.parse({
    version: 3,
    revision: 3,
    mapsRoot: '/m',
    workloads: [],
    verdicts: [],
    automata: [],
    limits: proxyLimits.parse({}),
  });

  test('gives back what was written; none is no fault; a damaged one is', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'perigee-state-'));
    try {
      const path = join(folder, 'deep', 'state.json');
      const file = new StateFile(path, new TableStore());
      assert.equal(await file.read(), undefined);
      await file.write(config);
      assert.deepEqual(await file.read(), config);
      assert.equal(readFileSync(join(folder, 'deep', 'state.json'), 'utf8').includes('\0'), false);
      writeFileSync(join(folder, 'deep', 'state.json'), '{"version":1,');
      await assert.rejects(file.read(), { code: 'ERR_PROXY_STATE' });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('its tables stand beside it once each, are checked when read, and go when nothing names them', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'perigee-state-'));
    try {
      const path = join(folder, 'state.json');
      const { bytes } = compile([
        { rule: 1, action: 'Allow', matches: [{ path: { type: 'Exact', value: '/a' } }] },
      ]);
      const table = tableDigest(bytes);
      const store = new TableStore();
      store.add(table, bytes);
      const named = { ...config, automata: [{ table, readHeaders: [], defaultDeny: 0 }] };
      await new StateFile(path, store).write(named);
      const restored = new TableStore();
      assert.deepEqual(await new StateFile(path, restored).read(), named);
      assert.deepEqual(Buffer.from(restored.get(table) ?? new SharedArrayBuffer(0)), Buffer.from(bytes));
      const file = join(stateTables(path), table);
      writeFileSync(file, readFileSync(file).fill(0xff, 40, 60));
      await assert.rejects(new StateFile(path, new TableStore()).read(), { code: 'ERR_PROXY_STATE' });
      await new StateFile(path, store).write(config);
      assert.deepEqual(readdirSync(stateTables(path)), []);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
