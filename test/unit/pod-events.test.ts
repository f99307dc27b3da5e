// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { PodEvents } from '../../src/agent/pod-events.ts';
import type { ApiObject } from '../../src/control/source/kubernetes/api.ts';
import type { NotEnrolled } from '../../src/control/source/kubernetes/cluster.ts';
import { podOf } from '../../src/control/source/kubernetes/pod.ts';

function problem(name: string, why = 'hostNetwork'): NotEnrolled {
  const pod = podOf({ metadata: { namespace: 'shop', name, uid: `uid-${name}` }, spec: { nodeName: 'n1' } });
  assert.ok(pod);
  return { pod, why };
}

/** What is written, and the clock that says when. */
function createEvents(create?: () => Promise<ApiObject>) {
  const written: { readonly path: string; readonly event: ApiObject & { message?: string } }[] = [];
  const clock = { now: 1_000_000 };
  const api = {
    create: (path: string, event: ApiObject) => {
      written.push({ path, event });
      return create?.() ?? Promise.resolve(event);
    },
  };
  const signal = new AbortController().signal;
  const log = pino({ level: 'silent' });
  const events = new PodEvents({ api, node: 'n1', log, signal, now: () => clock.now });
  return { events, written, clock };
}

test('a pod that is found in time is not worth a word', () => {
  const { events, written, clock } = createEvents();
  events.report([problem('a')]);
  clock.now += 14_000;
  events.report([problem('a')]);
  events.report([]);
  clock.now += 14_000;
  events.report([problem('a')]);
  assert.deepEqual(written, []);
});

test('one that stays away is told of once, by name, and again after an hour', () => {
  const { events, written, clock } = createEvents();
  for (let second = 0; second < 3600; second += 10) {
    events.report([problem('a')]);
    clock.now += 10_000;
  }
  assert.equal(written.length, 1);
  const [{ path, event } = assert.fail()] = written;
  assert.equal(path, '/api/v1/namespaces/shop/events');
  assert.match(event.metadata.name, /^a\.[0-9a-f]{16}$/);
  assert.equal(event.message, 'Perigee does not govern this pod: hostNetwork');
  clock.now += 60_000;
  events.report([problem('a')]);
  assert.equal(written.length, 2);
});

test('a fault of a whole node is told at a bounded rate', () => {
  const { events, written, clock } = createEvents();
  const all = Array.from({ length: 100 }, (_, index) => problem(`p${String(index)}`));
  events.report(all);
  clock.now += 15_000;
  events.report(all);
  assert.equal(written.length, 20);
  clock.now += 60_000;
  events.report(all);
  assert.equal(written.length, 26);
  assert.equal(new Set(written.map(({ event }) => event.metadata.name)).size, 26);
});

test('a server that refuses Events stops nothing', async () => {
  const { events, written, clock } = createEvents(() => Promise.reject(new Error('forbidden')));
  events.report([problem('a')]);
  clock.now += 15_000;
  events.report([problem('a')]);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(written.length, 1);
});
