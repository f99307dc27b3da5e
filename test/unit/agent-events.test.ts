// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changeEvents, type InForce } from '../../src/agent/change-events.ts';
import type { AgentEvent, AgentEventQuery } from '../../src/core/agent-event.ts';
import { WorldBuilder } from '../../src/core/policy/world.ts';
import { type Resource, resourceMap } from '../../src/core/resources/kinds.ts';
import { parseManifest } from '../../src/core/resources/manifest.ts';
import { EventLog } from '../../src/observability/event-log.ts';

const range: AgentEventQuery = { end: 'newest', follow: false };
const started = (time: bigint): AgentEvent => ({ type: 'started', time });

async function times(log: EventLog, query: Partial<AgentEventQuery> = {}): Promise<bigint[]> {
  const found: bigint[] = [];
  for await (const { time } of log.query({ ...range, ...query }, new AbortController().signal))
    found.push(time);
  return found;
}

test('events are remembered up to a number, and asked for by number and time', async () => {
  const log = new EventLog();
  for (let time = 1n; time <= 2000n; time += 1n) log.add(started(time));
  assert.equal((await times(log)).length, 1024);
  assert.deepEqual(await times(log, { limit: 2 }), [1999n, 2000n]);
  assert.deepEqual(await times(log, { limit: 2, end: 'oldest' }), [977n, 978n]);
  assert.deepEqual(await times(log, { since: 1990n, until: 1992n }), [1990n, 1991n, 1992n]);
  assert.deepEqual(await times(log, { limit: 0 }), []);
});

test('a follower gets each event that comes once, also those that come while it is busy', async () => {
  const log = new EventLog();
  log.add(started(1n), started(2n));
  const controller = new AbortController();
  const seen: bigint[] = [];
  for await (const { time } of log.query({ ...range, limit: 1, follow: true }, controller.signal)) {
    seen.push(time);
    if (time === 2n) setImmediate(() => log.add(started(3n)));
    if (time === 3n) log.add(started(4n), started(5n));
    if (time === 5n) controller.abort();
  }
  assert.deepEqual(seen, [2n, 3n, 4n, 5n]);
});

const web = `apiVersion: perigee.dev/v1alpha1
kind: Workload
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {netns: web}
`;
const policy = (name: string, rules: string): string => `apiVersion: perigee.dev/v1alpha1
kind: AccessPolicy
metadata: {name: ${name}, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  ingress: ${rules}
`;

test('events tell one configuration from the next: what came, changed and went', () => {
  const builder = new WorldBuilder();
  const known = new Map<string, readonly Resource[]>();
  // A file that did not change is read once: its resources stay the same objects.
  const read = (text: string): readonly Resource[] => {
    const resources = known.get(text) ?? parseManifest(text, 'f.yaml').resources;
    known.set(text, resources);
    return resources;
  };
  const state = (revision: number, ...texts: readonly string[]): InForce => {
    const resources = texts.flatMap(read);
    const world = builder.build({ resources: resourceMap(resources) });
    const workloads = [...world.workloads.keys()].map((key) => ({ key, identity: 101 })) as never;
    return { revision, world, compiled: { desired: { workloads } }, at: new Date(revision) };
  };
  const told = (before: InForce | undefined, now: InForce): string[] =>
    changeEvents(before, now).map((event) => {
      if ('policy' in event)
        return `${event.type} ${event.policy} ${String(event.rules)} @${String(event.revision)}`;
      if ('name' in event) return `${event.type} ${event.namespace}/${event.name} ${String(event.identity)}`;
      return event.type;
    });
  const first = state(1, web, policy('a', '[]'), policy('b', '[{action: Allow}]'));
  assert.deepEqual(told(undefined, first), [
    'workload-added shop/web 101',
    'policy-updated AccessPolicy shop/a 0 @1',
    'policy-updated AccessPolicy shop/b 1 @1',
  ]);
  const second = state(2, web, policy('b', '[{action: Allow}, {action: Deny}]'), policy('c', '[]'));
  assert.deepEqual(told(first, second), [
    'policy-deleted AccessPolicy shop/a 0 @2',
    'policy-updated AccessPolicy shop/b 2 @2',
    'policy-updated AccessPolicy shop/c 0 @2',
  ]);
  assert.deepEqual(
    told(second, state(3, policy('b', '[{action: Allow}, {action: Deny}]'), policy('c', '[]'))),
    ['workload-removed shop/web 101'],
  );
});
