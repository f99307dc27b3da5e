// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, suite, test } from 'node:test';
import fc from 'fast-check';
import { exportQuery, FlowExport } from '../../src/agent/flow-export.ts';
import { RotatingFile } from '../../src/agent/rotating-file.ts';
import { settingsSchema } from '../../src/agent/settings.ts';
import { FlowJsonReader, jsonpbData } from '../../src/api/flow-json.ts';
import { flowFromWire } from '../../src/api/flow-from-wire.ts';
import { responseOf } from '../../src/api/observer-service.ts';
import { verdict } from '../../src/core/abi/policy.ts';
import type { FlowEvent } from '../../src/core/flow-filter.ts';
import { jsonText } from '../../src/lib/json-text.ts';
import type { FlowStore } from '../../src/observability/flow-store.ts';
import { batch, names, record, type RecordFields } from '../support/flow-records.ts';
import { createFlowStore } from '../support/flow-stores.ts';

const perigee = join(import.meta.dirname, '../../bin/perigee');

suite('the export of flows', () => {
  let folder: string;
  let store: FlowStore;
  const warnings: string[] = [];
  const log = {
    warn: (_: object, text: string) => void warnings.push(text),
    info: (_: object, text: string) => void warnings.push(text),
  } as never;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'perigee-export-'));
    store = createFlowStore({ bytes: 1 << 20, denialBytes: 1 << 18, names, clock: { current: () => 0n } });
    warnings.length = 0;
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const add = (...all: readonly RecordFields[]): void => {
    const { bytes, offsets } = batch(all.map((fields) => record(fields)));
    store.append(bytes, offsets);
  };
  const settings = (fields: object = {}) =>
    settingsSchema.parse({ flowExport: { file: join(folder, 'flows.json'), ...fields } }).flowExport;
  /** Exports what `act` brings, until there is nothing left to write. */
  const exported = async (fields: object, act: () => void | Promise<void>): Promise<FlowExport> => {
    const controller = new AbortController();
    const flowExport = new FlowExport({ settings: settings(fields), node: 'node-1', flows: store, log });
    const running = flowExport.run(controller.signal);
    await new Promise((resolve) => setImmediate(resolve));
    await act();
    const total = (): number => Object.values(flowExport.counts).reduce((sum, count) => sum + count, 0);
    for (let last = -1; total() !== last || total() === 0;) {
      last = total();
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    controller.abort();
    await running;
    return flowExport;
  };
  const linesOf = (file: string): string[] => readFileSync(join(folder, file), 'utf8').trimEnd().split('\n');

  test('writes what passes its filters, and losses, as Hubble does; observe replays it', async () => {
    const { counts } = await exported({ deny: [{ http_path: ['^/health'] }] }, () => {
      add(
        { time: 1n, method: 'GET', urlPath: '/health' },
        { time: 2n, method: 'GET', urlPath: '/a\x1b[31m', verdict: verdict.denied },
        { time: 3n },
      );
      store.lost('flows', 4);
    });
    assert.deepEqual(counts, { written: 2, failed: 0, missed: 0 });
    const lines = linesOf('flows.json').map((line) => JSON.parse(line) as Record<string, object>);
    assert.deepEqual(
      lines.map((line) => Object.keys(line)[0]),
      ['flow', 'flow', 'lost_events'],
    );
    assert.equal(statSync(join(folder, 'flows.json')).mode & 0o777, 0o640);
    const replay = (...args: readonly string[]) =>
      spawnSync(perigee, ['observe', '--input', join(folder, 'flows.json'), ...args], { encoding: 'utf8' });
    const all = replay('-o', 'jsonpb');
    assert.equal(all.status, 0, all.stderr);
    assert.equal(all.stdout.trimEnd().split('\n').length, 3);
    const denied = replay('--verdict', 'denied', '--from', 'shop/web');
    assert.match(
      denied.stdout,
      /^[^\n]*shop\/web:41234 → shop\/api:8080 {2}http-request {2}GET \/a\\x1b\[31m 200[^\n]*DENIED[^\n]*\n$/,
    );
    assert.equal(denied.stderr, 'flows lost: 4 (the kernel ring was full)\n');
    assert.equal(
      replay('--last', '1', '-o', 'json').stdout.split('\n')[0]?.includes('"kind":"verdict"'),
      true,
    );
    assert.equal(replay('--first', '1', '-o', 'json').stdout.includes('"DELETE"'), false);
    for (const [args, error] of [
      [['-f'], /--input and --follow exclude each other/],
      [['--why'], /--why needs the agent/],
      [['--path-regex', '('], /regular expression/],
    ] as const) {
      const { status, stderr } = replay(...args);
      assert.equal(status, 2);
      assert.match(stderr, error);
    }
  });

  test('puts full files aside and keeps so many', async () => {
    const { counts } = await exported({ maxBytes: 65536, backups: 2 }, async () => {
      for (let round = 0; round < 40; round += 1) {
        add(...Array.from({ length: 100 }, (_, index) => ({ time: BigInt(round * 100 + index) })));
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    });
    assert.equal(counts.written, 4000);
    assert.deepEqual(readdirSync(folder).sort(), ['flows.json', 'flows.json.1', 'flows.json.2']);
    const flows = ['flows.json.2', 'flows.json.1', 'flows.json'].flatMap(linesOf);
    for (const line of flows) JSON.parse(line);
    assert.ok(flows.at(-1)?.includes('00:00:00.000003999Z'));
  });

  test('a full disk is counted and told once, never fatal; what follows is whole lines', async () => {
    const full = new FlowExport({ settings: settings({ file: '/dev/full' }), node: 'n', flows: store, log });
    const controller = new AbortController();
    const running = full.run(controller.signal);
    for (let round = 0; round < 4; round += 1) {
      add({ time: 1n }, { time: 2n });
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    controller.abort();
    await running;
    assert.deepEqual(full.counts, { written: 0, failed: 8, missed: 0 });
    assert.deepEqual(warnings, ['flows can not be exported; each is counted as failed until they can']);
  });

  test('starts again when its folder is gone and comes back', async () => {
    const file = join(folder, 'deep', 'flows.json');
    const { counts } = await exported({ file }, async () => {
      add({ time: 1n });
      await new Promise((resolve) => setTimeout(resolve, 400));
      assert.ok(existsSync(file));
    });
    assert.equal(counts.written, 1);
  });

  test('a filter that cannot be served is a fault of the settings, by its place', () => {
    assert.throws(() => exportQuery(settings({ allow: [{}, { source_port: ['x'] }] }), 'n'), {
      code: 'ERR_SETTINGS_INVALID',
      message: 'setting flowExport: whitelist[1]: source_port: not a port: "x"',
    });
  });
});

test('a file of lines stays within its size, whatever the batches', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 20 }), async (sizes) => {
      const folder = mkdtempSync(join(tmpdir(), 'perigee-rotate-'));
      try {
        const file = new RotatingFile({ path: join(folder, 'f'), maxBytes: 40, backups: 30 });
        for (const [index, size] of sizes.entries())
          await file.append(Buffer.from(`${String(index).padEnd(size)}\n`));
        await file.close();
        const parts = readdirSync(folder).sort(
          (a, b) => Number(b.split('.')[1] ?? 0) - Number(a.split('.')[1] ?? 0),
        );
        const texts = parts.map((part) => readFileSync(join(folder, part), 'utf8'));
        assert.ok(texts.every((text) => text.length <= 40));
        assert.deepEqual(
          texts.join('').split('\n').slice(0, -1).map(Number),
          sizes.map((_, index) => index),
        );
      } finally {
        rmSync(folder, { recursive: true });
      }
    }),
    { numRuns: 50 },
  );
});

test('a flow is the same after a file; what is no flow is refused by what is wrong', async () => {
  const store = createFlowStore({
    bytes: 1 << 20,
    denialBytes: 1 << 18,
    names,
    clock: { current: () => 0n },
  });
  const { bytes, offsets } = batch([
    record({
      time: 2n ** 60n + 7n,
      method: 'GET',
      urlPath: '/a\xff\u202e',
      host: 'h',
      reference: 77n,
      rtt: 5,
    }),
    record({ protocol: 17, sourceWorkload: 0, sourceIdentity: 2 }),
  ]);
  store.append(bytes, offsets);
  store.lost('proxy', 3, 5n);
  const events: FlowEvent[] = [];
  const all = { include: [], exclude: [], end: 'newest', follow: false } as const;
  for await (const event of store.query(all, new AbortController().signal)) events.push(event);
  assert.equal(events.length, 3);
  const reader = new FlowJsonReader();
  for (const event of events) {
    const line = jsonText(jsonpbData(responseOf(event, 'n')));
    const back = reader.read(line);
    assert.equal(back.flow?.uuid, event.type === 'flow' ? event.uuid : undefined);
    if (event.type === 'flow') assert.deepEqual(flowFromWire(back.flow ?? {}), event.flow);
    assert.equal(back.lost_events?.num_events_lost, event.type === 'lost' ? '3' : undefined);
  }
  for (const line of [
    '{',
    '[]',
    '7',
    '{"flow":7}',
    '{"flow":{"time":"yesterday"}}',
    '{"flow":{"time":"2026-01-01T00:00:00Z","source":7}}',
  ])
    assert.throws(() => reader.read(line), { code: 'ERR_FLOW_JSON' });
});
