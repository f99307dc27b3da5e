// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { BoostOutcomeName } from '../../src/core/abi/boost.ts';
import { boostOf, type BoostSources } from '../../src/agent/boost-state.ts';
import { Names } from '../../src/control/compile/names.ts';
import type { Decision, Question } from '../../src/core/policy/verdict.ts';
import { world } from '../support/policy-shop.ts';
import { compile } from '../support/one-world.ts';

const web: Question = {
  source: { workload: 'shop/web' },
  destination: { workload: 'shop/api' },
  port: 8080,
  protocol: 'TCP',
};

/** What is said of the shop, with those workloads asking for boost. */
function said(
  asking: readonly string[],
  {
    question = web,
    path = 'direct',
    off,
    outcome,
  }: Partial<Pick<BoostSources, 'off'>> & {
    question?: Question;
    path?: Decision['path'];
    outcome?: BoostOutcomeName;
  } = {},
): string | undefined {
  const now = world('');
  const { workloads } = compile(now, new Names({ seed: [], next: 0 })).desired;
  const all = workloads.map((one) => ({ ...one, boost: asking.includes(one.key) }));
  const refusals =
    outcome === undefined ? [] : workloads.map(({ id }) => ({ workload: id, outcome, count: 7 }));
  const reason = boostOf({ world: now, workloads: all, off, refusals }, question, path);
  return reason && [reason.why, reason.change ?? ''].join(' → ');
}

const both = ['shop/web', 'shop/api'];

suite('whether a connection is boosted, why, and what would change it', () => {
  test('both ends ask: boosted', () => {
    assert.match(said(both) ?? '', /^boosted: it, once both ends/);
  });

  test('an end without the label is named', () => {
    assert.match(
      said([]) ?? '',
      /not boosted: shop\/web and shop\/api without the label perigee\.dev\/boost/,
    );
    assert.match(said(['shop/web']) ?? '', /not boosted: shop\/api without.*→ the label/);
  });

  test('by the proxy each leg is boosted for itself', () => {
    assert.match(
      said(['shop/api'], { path: 'proxied' }) ?? '',
      /^boosted: the leg of shop\/api with the proxy/,
    );
    assert.match(said([], { path: 'proxied' }) ?? '', /not boosted/);
  });

  test('an end elsewhere, a cgroup, UDP, and itself', () => {
    const from = { ...web, source: { address: '203.0.113.9' } };
    assert.match(said(both, { question: from }) ?? '', /only one end/);
    const cgroup = { ...web, source: { workload: 'shop/batch' } };
    assert.match(said(both, { question: cgroup }) ?? '', /only one end/);
    assert.equal(said(both, { question: { ...web, protocol: 'UDP' } }), undefined);
    assert.equal(said(both, { question: { ...web, destination: web.source } }), undefined);
  });

  test('what the kernel reads is judged first, and asks for both labels', () => {
    assert.match(said(both, { path: 'inline' }) ?? '', /^boosted: requests that come in one message each/);
    assert.match(said(['shop/web'], { path: 'inline' }) ?? '', /not boosted: shop\/api without/);
  });

  test('switched off: the reason, and what would switch it on', () => {
    for (const reason of ['Setting', 'KernelLacks', 'LoadFailed', 'Misbehaves'] as const)
      assert.match(
        said(both, { off: { reason, message: `because of ${reason}` } }) ?? '',
        new RegExp(`not boosted: because of ${reason} → .+`),
      );
  });

  test('what connections of the two were refused for so far', () => {
    const text = said(both, { outcome: 'blocking' }) ?? '';
    assert.match(text, /7 of shop\/web were not: an end reads or writes with blocking calls/);
    assert.match(text, /7 of shop\/api/);
    assert.doesNotMatch(text, /batch|intruder/);
  });
});
