// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compile } from '../../src/core/automaton/compile.ts';
import type { DesiredRow, DesiredState } from '../../src/core/state/desired.ts';
import { type InlineOptions, InlinePath } from '../../src/datapath/inline/inline-path.ts';
import { RETIRED_MS } from '../../src/datapath/inline/table-pool.ts';
import { pinLayout } from '../../src/datapath/layout.ts';
import type { BpfMap, Native } from '../../src/datapath/native.ts';
import { PerigeeError } from '../../src/lib/errors.ts';
import { noState } from '../support/states.ts';

const tableOf = (path: string): Uint8Array =>
  compile([{ rule: 7, action: 'Allow', matches: [{ path: { type: 'Exact', value: path } }] }]).bytes;

function stateOf(...tables: readonly Uint8Array[]): DesiredState {
  const rows = tables.map((table, index): DesiredRow => ({
    ...{ identity: 5, protocol: 'TCP', from: index, to: index, action: 'proxy' },
    ...{ table, audit: 'none', rule: 0, reason: 'none' },
  }));
  return { ...noState, policy: [{ workload: 1, direction: 'ingress', rows }] };
}

/** The path over maps that are plain memory; `poolBytes` of it for tables. */
function pathOf({
  kfunc = true,
  capabilities = ['CAP_NET_RAW'],
  poolBytes = 1 << 20,
  load = (): void => undefined,
  lend = (): void => undefined,
} = {}): {
  readonly path: InlinePath;
  readonly calls: string[];
} {
  const memory = new ArrayBuffer(poolBytes);
  const calls: string[] = [];
  const none = { keys: Buffer.alloc(0), values: Buffer.alloc(0), count: 0 };
  const map = {
    withMapped: (use: (lent: ArrayBuffer) => unknown) => {
      lend();
      return use(memory);
    },
    lookup: () => undefined,
    update: () => undefined,
    dump: () => none,
    close: () => undefined,
  } as unknown as BpfMap;
  const native = {
    probe: { kfunc: () => kfunc, capabilities: () => capabilities },
    BpfMap: { openPinned: () => map },
    RingBuffer: class {
      consume = (): number => 0;
      close = (): void => undefined;
    },
  } as unknown as Native;
  const maps = { inline_settings: map, refused: map, flows_lost: map } as unknown as InlineOptions['maps'];
  const attach = (): void => void calls.push('attach');
  const prepare = (): void => {
    calls.push('load');
    load();
  };
  const rest = { layout: pinLayout('/nowhere'), netnsFd: () => undefined };
  return { path: new InlinePath({ native, maps, attach, load: prepare, ...rest }), calls };
}

const actionsOf = ({ policy }: DesiredState): (string | undefined)[] =>
  policy.flatMap(({ rows }) => rows.map(({ action }) => action));

describe('why HTTP policy goes to the proxy', () => {
  test('it does not where the kernel can; programs are loaded ahead, and attached for the first table', () => {
    const { path, calls } = pathOf();
    path.prepare();
    assert.deepEqual(calls, ['load']);
    path.place(stateOf());
    assert.deepEqual(calls, ['load']);
    assert.deepEqual(actionsOf(path.place(stateOf(tableOf('/a')))), ['inline']);
    assert.deepEqual(calls, ['load', 'attach']);
    path.prepare();
    assert.deepEqual(calls, ['load', 'attach']);
    assert.equal(path.off, undefined);
    assert.equal(path.memory.tables, 1);
    assert.equal(path.memory.bytes, tableOf('/a').byteLength);
  });

  test('the kernel lacks what it takes', () => {
    const { path, calls } = pathOf({ kfunc: false });
    path.prepare();
    assert.deepEqual(actionsOf(path.place(stateOf(tableOf('/a')))), ['proxy']);
    assert.equal(path.off?.reason, 'KernelLacks');
    assert.deepEqual(calls, []);
  });

  test('the agent may not answer refused requests', () => {
    const { path, calls } = pathOf({ capabilities: ['CAP_NET_ADMIN'] });
    path.prepare();
    assert.deepEqual(actionsOf(path.place(stateOf(tableOf('/a')))), ['proxy']);
    assert.equal(path.off?.reason, 'NotPermitted');
    assert.match(path.off.message, /CAP_NET_RAW/);
    assert.deepEqual(calls, []);
  });

  test('the programs can not be loaded', () => {
    const load = (): never => {
      throw new PerigeeError('ERR_BPF_LOAD', 'the verifier refuses inline_ingress', {});
    };
    const { path, calls } = pathOf({ load });
    path.prepare();
    assert.deepEqual(path.off, { reason: 'LoadFailed', message: 'the verifier refuses inline_ingress' });
    assert.deepEqual(actionsOf(path.place(stateOf(tableOf('/a')))), ['proxy']);
    assert.deepEqual(calls, ['load']);
  });

  test('a table finds no room: the others are inline, and which is known', () => {
    const [a, b] = [tableOf('/a'), tableOf('/b')];
    const { path } = pathOf({ poolBytes: 65536 + a.byteLength + 64 });
    assert.deepEqual(actionsOf(path.place(stateOf(a, b))), ['inline', 'proxy']);
    assert.equal(path.off?.reason, 'PoolFull');
    assert.deepEqual([path.holds(a), path.holds(b)], [true, false]);
    path.place(stateOf(a));
    assert.equal(path.off, undefined);
  });

  test('the memory of the pool can not be had: known tables are inline, others another time', (t) => {
    const [a, b] = [tableOf('/a'), tableOf('/b')];
    let isAway = false;
    let looks = 0;
    const lend = (): void => {
      if (isAway) throw new PerigeeError('ERR_BPF_MAP', 'map into memory: tables: ENOMEM', {});
    };
    const { path } = pathOf({ lend });
    path.place(stateOf(a));
    isAway = true;
    assert.deepEqual(actionsOf(path.place(stateOf(a, b))), ['inline', 'proxy']);
    assert.equal(path.off?.reason, 'PoolAway');
    assert.match(path.off.message, /for 1 of them: map into memory: tables: ENOMEM$/);
    // Another one fails to be cleared, once its readers have had time to end.
    const started = performance.now();
    t.mock.method(performance, 'now', () => started + 2 * RETIRED_MS * ++looks);
    path.settle(stateOf(), false);
    path.settle(stateOf(), false);
    assert.equal(path.memory.tables, 1);
    isAway = false;
    path.settle(stateOf(), false);
    assert.equal(path.memory.tables, 0);
    assert.deepEqual(actionsOf(path.place(stateOf(a, b))), ['inline', 'inline']);
    assert.equal(path.off, undefined);
  });

  test('tables without room are counted once each, those of policy apart from those of who only wants to see', () => {
    const [a, b, c] = [tableOf('/a'), tableOf('/b'), tableOf('/c')];
    const { path } = pathOf({ poolBytes: 65536 + a.byteLength + 64 });
    const messages = (): unknown => [path.off?.message, path.unseen?.message];
    const lack = (count: number): string =>
      `the kernel's pool of tables has no room for ${String(count)} of them`;
    path.place(stateOf(a, b, b));
    assert.deepEqual(messages(), [lack(1), undefined]);
    const state = stateOf(a, b, c);
    const seen = state.policy.map((table) => ({
      ...table,
      rows: table.rows.map((row, index): DesiredRow => (index === 0 ? row : { ...row, action: 'allow' })),
    }));
    path.place({ ...state, policy: seen });
    assert.deepEqual(messages(), [undefined, lack(2)]);
  });
});
