// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { verdict } from '../../src/core/abi/policy.ts';
import type { FlowEndpoint } from '../../src/core/flow.ts';
import type { FlowFilter } from '../../src/core/flow-filter.ts';
import type { Workload } from '../../src/core/workload/workload.ts';
import { AddressHolders } from '../../src/observability/address-holders.ts';
import { batch, mapped, names, record } from '../support/flow-records.ts';
import { createFlowStore } from '../support/flow-stores.ts';
import { workloadsByKey } from '../support/states.ts';

const MS = 1_000_000n;

function remote(name: string, address: string, labels: Readonly<Record<string, string>> = {}): Workload {
  return {
    key: `far/${name}`,
    namespace: 'far',
    name,
    labels,
    serviceAccount: 'default',
    identity: {} as Workload['identity'],
    attachment: { type: 'remote' },
    ports: [],
    probes: [],
    addresses: [address],
  };
}

describe('who had an address', () => {
  const holders = new AddressHolders();
  const store = createFlowStore({
    bytes: 1 << 20,
    denialBytes: 1 << 16,
    names: { ...names, holders },
    clock: { current: () => 0n },
  });
  const flow = (time: bigint, source: string, sourceWorkload = 0): void => {
    const sourceAddress = mapped(source);
    const fields = {
      time: time * MS,
      sourceAddress,
      sourceWorkload,
      sourceIdentity: 0,
      verdict: verdict.allowed,
    };
    const { bytes, offsets } = batch([record(fields)]);
    store.append(bytes, offsets);
  };
  const found = async (filter: FlowFilter): Promise<(readonly [number, FlowEndpoint])[]> => {
    const all: (readonly [number, FlowEndpoint])[] = [];
    const query = { include: [filter], exclude: [], end: 'newest', follow: false } as const;
    for await (const event of store.query(query, new AbortController().signal))
      if (event.type === 'flow') all.push([Number(event.flow.time / MS), event.flow.source]);
    return all;
  };

  const first = remote('first', '10.1.0.1', { app: 'first' });
  const kept = remote('kept', '10.1.0.2');
  holders.update(workloadsByKey(first, kept), 100_000);
  holders.update(workloadsByKey(kept), 200_000);
  holders.update(workloadsByKey(kept, remote('second', '10.1.0.1')), 230_000);
  flow(150_000n, '10.1.0.1');
  flow(150_001n, '10.1.0.2');
  flow(150_002n, '10.1.0.3');
  flow(150_003n, '10.1.0.1', 1);
  for (const time of [210_000n, 225_000n, 250_000n]) flow(time, '10.1.0.1');

  const workloads = (all: readonly (readonly [number, FlowEndpoint])[]) =>
    all.map(([time, { workload }]) => [time, workload]);

  test('is told by the time of the flow; one that is heard of late had it before', async () => {
    assert.deepEqual(workloads(await found({})), [
      [150_000, 'first'],
      [150_001, 'kept'],
      [150_002, undefined],
      [150_003, 'web'],
      [210_000, undefined],
      [225_000, 'second'],
      [250_000, 'second'],
    ]);
    const [[, source] = [0, undefined]] = await found({});
    assert.deepEqual(source?.labels, { app: 'first' });
  });

  test('filters find flows by it', async () => {
    const by = async (source: NonNullable<FlowFilter['source']>) => workloads(await found({ source }));
    assert.deepEqual(await by({ names: [{ namespace: 'far', name: 'first' }] }), [[150_000, 'first']]);
    assert.deepEqual(await by({ pods: [{ namespace: 'far', name: 'sec', prefix: true }] }), [
      [225_000, 'second'],
      [250_000, 'second'],
    ]);
    assert.deepEqual(await by({ labels: [[{ key: 'app', operator: 'In', values: ['first'] }]] }), [
      [150_000, 'first'],
    ]);
    assert.deepEqual(await by({ names: [{ namespace: 'far', name: 'none' }] }), []);
  });

  test('is forgotten once too many have gone, the oldest first', () => {
    const many = new AddressHolders();
    for (let index = 0; index < 20_000; index += 1)
      many.update(
        workloadsByKey(
          remote(
            `pod-${String(index)}`,
            `10.${String(index >> 16)}.${String((index >> 8) & 255)}.${String(index & 255)}`,
          ),
        ),
        index,
      );
    const left = many.addresses(() => true).length;
    assert.ok(left <= 16_385, String(left));
    assert.equal(many.addresses(({ workload }) => workload === 'pod-0').length, 0);
    assert.equal(many.addresses(({ workload }) => workload === 'pod-19999').length, 1);
  });
});
