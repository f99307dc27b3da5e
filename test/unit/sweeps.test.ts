// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type OpenConnection, openState } from '../../src/core/abi/sweep.ts';
import type { Native } from '../../src/datapath/native.ts';
import { sweepConnections } from '../../src/datapath/sweep.ts';
import type { WalkName } from '../../src/datapath/walk.ts';

test('a namespace whose walk fails hides none of the others, and is told after them', () => {
  const walked: string[] = [];
  const run = (name: WalkName, netnsFd: number | null): OpenConnection[] => {
    walked.push(`${name} ${String(netnsFd)}`);
    if (netnsFd === 4) throw new Error('EMFILE');
    return [{ state: openState.closed } as OpenConnection];
  };
  const sweep = (namespaces: readonly number[]): unknown =>
    sweepConnections({ native: {} as Native, walk: { run }, namespaces }, 'rest');
  assert.throws(() => sweep([4, 5]), { message: 'EMFILE' });
  assert.deepEqual(walked, ['close_rest_tcp 4', 'close_udp 4', 'close_rest_tcp 5', 'close_udp 5']);
  assert.deepEqual(sweep([5, 6]), { closed: 4, failed: [] });
});
