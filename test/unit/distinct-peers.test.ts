// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ContentKeys } from '../../src/control/compile/content-key.ts';
import { DistinctPeers } from '../../src/control/compile/distinct-peers.ts';
import { PeerBook } from '../../src/core/policy/peers.ts';
import { PersistentMap } from '../../src/lib/persistent-map.ts';
import { manyBlocks } from '../support/many-blocks.ts';
import { buildWorld } from '../support/one-world.ts';

test('a clause that no policy has any more is forgotten, though no peer came or went', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const world = buildWorld({ resources: manyBlocks(1) });
  const peers = new DistinctPeers(new ContentKeys());
  peers.take(world, new PeerBook().ipcache(world).changesSince(PersistentMap.empty()));
  const clause = world.networkPolicies[0]?.directions[0]?.rules[0]?.clauses[0]?.peer;
  const ask = (): WeakRef<object> => new WeakRef(peers.of('matching', clause)[0] ?? {});
  const list = ask();
  peers.take(world, []);
  assert.equal(ask().deref(), list.deref());
  peers.take(world, []);
  peers.take(world, []);
  await setImmediate();
  collect();
  assert.equal(list.deref(), undefined);
});
