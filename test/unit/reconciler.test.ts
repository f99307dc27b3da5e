// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { ReconcilerScene, remotes } from '../support/reconciler-scene.ts';

/** Runs with a clock that goes on when it is told. */
async function inTime(action: (pass: (ms: number) => void) => Promise<void>): Promise<void> {
  let now = 1_000_000;
  const clock = mock.method(performance, 'now', () => now);
  try {
    await action((ms) => (now += ms));
  } finally {
    clock.mock.restore();
  }
}

/** In force, and swept in both rounds. */
async function settled(pass: (ms: number) => void): Promise<ReconcilerScene> {
  const scene = new ReconcilerScene();
  await scene.reconciler.take(remotes(1));
  pass(500);
  await scene.reconciler.refresh();
  assert.deepEqual(scene.sweeps.splice(0), ['first', 'rest']);
  scene.settled = 0;
  return scene;
}

test('a change between any two looks starves neither round of a sweep, nor what waits for both', () =>
  inTime(async (pass) => {
    const scene = await settled(pass);
    for (let count = 2; count < 10; count += 1) {
      await scene.reconciler.take(remotes(count));
      pass(500);
      await scene.reconciler.refresh();
    }
    assert.deepEqual(scene.sweeps, ['first', ...Array.from({ length: 7 }, () => 'rest')]);
    assert.equal(scene.settled, 7);
  }));

test('what is owed when the second round is due is swept by it, and once more', () =>
  inTime(async (pass) => {
    const scene = await settled(pass);
    await scene.reconciler.take(remotes(2));
    await scene.reconciler.refresh();
    await scene.reconciler.take(remotes(3));
    for (let look = 0; look < 5; look += 1) {
      pass(500);
      await scene.reconciler.refresh();
    }
    assert.deepEqual(scene.sweeps, ['first', 'rest', 'rest']);
  }));

test('changes that are swept at once don’t put the second round off', () =>
  inTime(async (pass) => {
    const scene = await settled(pass);
    scene.report = { rowsChanged: true };
    for (let count = 2; count < 5; count += 1) {
      await scene.reconciler.take(remotes(count));
      pass(100);
    }
    await scene.reconciler.refresh();
    assert.deepEqual(scene.sweeps, ['first', 'first', 'first', 'rest']);
  }));

test('what a change left to be swept is swept while the next one fails; the second round waits for a whole state', () =>
  inTime(async (pass) => {
    const scene = await settled(pass);
    await scene.reconciler.take(remotes(2));
    scene.applyError = new Error('E2BIG');
    await scene.reconciler.take(remotes(3));
    for (let look = 0; look < 5; look += 1) {
      pass(500);
      await scene.reconciler.refresh();
    }
    assert.equal(scene.reconciler.failure?.message, 'E2BIG');
    assert.deepEqual(scene.sweeps, ['first']);
    assert.equal(scene.settled, 0);
    assert.ok(scene.lookedForLost > 4);
    scene.applyError = undefined;
    pass(1000);
    await scene.reconciler.refresh();
    assert.deepEqual(scene.sweeps.splice(0), ['first', 'first']);
    await scene.reconciler.refresh();
    assert.deepEqual(scene.sweeps, ['rest']);
  }));

test('a sweep that fails is told, tried again at each look, and keeps nothing else from being done', () =>
  inTime(async (pass) => {
    const scene = await settled(pass);
    const attempts: (number | undefined)[] = [];
    await scene.reconciler.take(remotes(2));
    scene.reconciler.onAttempt = (ms) => attempts.push(ms);
    scene.sweepError = new Error('EMFILE');
    scene.lookedForLost = 0;
    await scene.reconciler.refresh();
    await scene.reconciler.refresh();
    assert.deepEqual(scene.sweeps, ['first', 'first']);
    assert.equal(scene.lookedForLost, 2);
    assert.deepEqual(attempts, [undefined, undefined]);
    assert.equal(scene.reconciler.sweepFailure?.message, 'EMFILE');
    assert.equal(scene.reconciler.failure, undefined);
    scene.sweepError = undefined;
    await scene.reconciler.refresh();
    assert.equal(scene.reconciler.sweepFailure, undefined);
    pass(500);
    await scene.reconciler.refresh();
    assert.deepEqual(scene.sweeps, ['first', 'first', 'first', 'rest']);
  }));

test('an agent that ends sweeps what it owes', () =>
  inTime(async (pass) => {
    const scene = await settled(pass);
    await scene.reconciler.end();
    assert.deepEqual(scene.sweeps, []);
    await scene.reconciler.take(remotes(2));
    await scene.reconciler.end();
    assert.deepEqual(scene.sweeps, ['first']);
  }));

test('an address that the node itself gets or loses is noticed', () =>
  inTime(async (pass) => {
    const scene = await settled(pass);
    scene.nodeAddresses = ['10.2.0.1', '10.2.0.9'];
    await scene.reconciler.refresh();
    assert.equal(scene.reconciler.applied?.revision, 2);
    assert.deepEqual(scene.reconciler.applied.world.nodeAddresses, scene.nodeAddresses);
    scene.nodeAddresses = ['10.2.0.9', '10.2.0.1'];
    await scene.reconciler.refresh();
    assert.equal(scene.reconciler.applied.revision, 2);
  }));
