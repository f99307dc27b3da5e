// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { WireFlowsResponse } from '../../src/api/wire.ts';
import { bounded, inOrder, interleave } from '../../src/cli/cluster/merge.ts';
import { candidates } from '../../src/cli/complete.ts';
import type { CliContext } from '../../src/cli/context.ts';
import { createProgram } from '../../src/cli/program.ts';

const flowAt = (nanos: number): WireFlowsResponse => ({ flow: {}, time: { seconds: '1', nanos } });
const nanosOf = ({ time }: WireFlowsResponse): number => Number(time?.nanos);

async function* streamOf(times: readonly number[]): AsyncGenerator<WireFlowsResponse, void, undefined> {
  for (const time of times) {
    await Promise.resolve();
    yield flowAt(time);
  }
}

async function collect(stream: AsyncIterable<WireFlowsResponse>): Promise<number[]> {
  const times: number[] = [];
  for await (const response of stream) times.push(nanosOf(response));
  return times;
}

const nodes = fc.array(fc.array(fc.nat(1000)).map((times) => times.toSorted((a, b) => a - b)));

test('flows of several nodes are one list in order of time, whatever each has', async () => {
  await fc.assert(
    fc.asyncProperty(nodes, fc.integer({ min: 1, max: 20 }), async (all, limit) => {
      const wanted = all.flat().toSorted((a, b) => a - b);
      const merged = (): AsyncGenerator<WireFlowsResponse, void, undefined> => inOrder(all.map(streamOf));
      assert.deepEqual(await collect(merged()), wanted);
      assert.deepEqual(await collect(bounded(merged(), limit, 'newest')), wanted.slice(-limit));
      assert.deepEqual(await collect(bounded(merged(), limit, 'oldest')), wanted.slice(0, limit));
    }),
  );
});

test('live flows come from whichever node has one; none is lost, and a node that is silent holds up nobody', async () => {
  const silent = async function* (): AsyncGenerator<WireFlowsResponse, void, undefined> {
    await new Promise((resolve) => setTimeout(resolve, 50));
    yield flowAt(9);
  };
  assert.deepEqual(await collect(interleave([silent(), streamOf([1, 2, 3])])), [1, 2, 3, 9]);
});

async function completed(...words: readonly string[]): Promise<string[]> {
  const context = { out: () => undefined, err: () => undefined, color: false } as unknown as CliContext;
  const program = await createProgram(words, context, () => undefined);
  return candidates(program, words).map(({ text }) => text);
}

test('commands, flags and the values that there are to choose from are completed', async () => {
  assert.deepEqual(await completed('ob'), ['observe']);
  assert.ok((await completed('')).includes('status'));
  assert.ok(!(await completed('')).includes('relay'));
  assert.deepEqual(await completed('observe', '--verd'), ['--verdict']);
  assert.deepEqual(await completed('status', '-o', 'j'), ['json']);
  assert.deepEqual(await completed('status', '--output=y'), ['--output=yaml']);
  assert.deepEqual(await completed('set-log-level', 'w'), ['warn']);
  assert.deepEqual(await completed('observe', '--from', ''), []);
  assert.deepEqual(await completed('no-such-command', ''), []);
});
