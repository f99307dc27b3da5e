// SPDX-License-Identifier: Apache-2.0
// What policy refuses becomes Events of the pod and of the policy, summed up and at a bounded rate.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { DenialEvents } from '../../src/agent/denial-events.ts';
import type { ApiObject } from '../../src/control/source/kubernetes/api.ts';
import { direction, verdict } from '../../src/core/abi/policy.ts';
import { reason } from '../../src/core/abi/reason.ts';
import { DEFAULT_DENY_INDEX, type RuleRef } from '../../src/core/policy/rule-ref.ts';
import { DenialMeter } from '../../src/observability/denial-meter.ts';
import { names, record, type RecordFields } from '../support/flow-records.ts';

interface Written extends ApiObject {
  readonly message?: string;
  readonly involvedObject?: { readonly kind: string; readonly name: string; readonly uid?: string };
}

const ruleOf = (id: number): RuleRef | undefined =>
  id === 0
    ? undefined
    : {
        kind: id === 9 ? 'ClusterAccessPolicy' : 'AccessPolicy',
        namespace: id === 9 ? '' : 'shop',
        name: `api-${String(id)}`,
        direction: 'ingress',
        index: DEFAULT_DENY_INDEX,
      };

function createEvents() {
  const written: Written[] = [];
  const read: string[] = [];
  const clock = { now: 5 };
  const meter = new DenialMeter();
  const api = {
    create: (_: string, event: ApiObject) => {
      written.push(event);
      return Promise.resolve(event);
    },
    read: (path: string) => {
      read.push(path);
      const object = { metadata: { name: 'x', uid: `uid-of-${path.split('/').at(-1) ?? ''}` } };
      return path.endsWith('gone') ? Promise.reject(new Error('away')) : Promise.resolve(object);
    },
  };
  const events = new DenialEvents({
    ...{ api, meter, names, ruleOf, node: 'n1', now: () => clock.now },
    log: pino({ level: 'silent' }),
    signal: new AbortController().signal,
  });
  const refuse = (times: number, fields: RecordFields = {}): void => {
    const denied = { verdict: verdict.denied, reason: reason['policy-no-rule'], ingressRule: 1, ...fields };
    for (let time = 0; time < times; time += 1) meter.observe(record(denied), 0);
  };
  return { events, written, read, clock, refuse };
}

test('of the pod that refuses and of the policy, with who was refused how often', async () => {
  const { events, written, read, refuse } = createEvents();
  refuse(3);
  refuse(2, { sourceWorkload: 3 });
  refuse(1, { sourceWorkload: 0, sourceIdentity: 2 });
  refuse(5, { verdict: verdict.allowed });
  await events.report();
  assert.deepEqual(
    written.map(({ involvedObject, message }) => [involvedObject?.kind, involvedObject?.uid, message]),
    [
      [
        'Pod',
        'uid-of-api',
        'Perigee refused 6 connections or requests to this pod, from shop/web (3), dark/intruder (2), World (1) (AccessPolicy shop/api-1 ingress default deny)',
      ],
      [
        'AccessPolicy',
        'uid-of-api-1',
        'Perigee refused 6 connections or requests by this policy, at shop/api (6)',
      ],
    ],
  );
  assert.deepEqual(read, [
    '/api/v1/namespaces/shop/pods/api',
    '/apis/perigee.dev/v1alpha1/namespaces/shop/accesspolicies/api-1',
  ]);
  for (const { metadata } of written) assert.equal(metadata.namespace, 'shop');
});

test('on the client’s side of the client, and without a rule by the reason', async () => {
  const { events, written, refuse } = createEvents();
  const away = { reason: reason['proxy-unavailable'], ingressRule: 0, direction: direction.egress };
  refuse(1, away);
  await events.report();
  assert.deepEqual(
    written.map(({ involvedObject, message }) => [involvedObject?.name, message]),
    [['web', 'Perigee refused a connection or request of this pod, to shop/api (1) (proxy-unavailable)']],
  );
});

test('the same again waits for ten minutes, and has what came meanwhile', async () => {
  const { events, written, clock, refuse } = createEvents();
  for (let second = 0; second < 600; second += 15) {
    refuse(1);
    await events.report();
    clock.now += 15_000;
  }
  assert.equal(written.length, 2);
  await events.report();
  assert.equal(written.length, 4);
  assert.match(written[2]?.message ?? '', /refused 39 connections/);
});

test('very many policies are told of at a bounded rate, a cluster-wide one in `default`', async () => {
  const { events, written, clock, refuse } = createEvents();
  for (let rule = 1; rule < 3000; rule += 1) refuse(1, { ingressRule: rule });
  await events.report();
  assert.equal(written.length, 20);
  const cluster = written.find(({ involvedObject }) => involvedObject?.kind === 'ClusterAccessPolicy');
  assert.equal(cluster?.metadata.namespace, 'default');
  clock.now += 60_000;
  await events.report();
  assert.equal(written.length, 26);
});
