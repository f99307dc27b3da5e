// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type ConnectionPath, type PathSources, connectionPath } from '../../src/agent/connection-path.ts';
import type { InlineOff } from '../../src/datapath/inline/inline-path.ts';
import { Names } from '../../src/control/compile/names.ts';
import { evaluate } from '../../src/core/policy/evaluate.ts';
import type { Question } from '../../src/core/policy/verdict.ts';
import { policy, world } from '../support/policy-shop.ts';
import { compile } from '../support/one-world.ts';

const API = 'selector: {matchLabels: {app: api}}';
const HTTP = 'http: [{methods: [GET]}]';
const READS = policy(`{${API}, ingress: [{action: Allow, to: [{port: http}], ${HTTP}}]}`);

const web: Question = {
  source: { workload: 'shop/web' },
  destination: { workload: 'shop/api' },
  port: 8080,
  protocol: 'TCP',
};

function pathOf(
  policies: string,
  { question = web, inline }: { question?: Question; inline?: PathSources['inline'] } = {},
): ConnectionPath | undefined {
  const now = world(policies);
  const names = new Names({ seed: [], next: 0 });
  const on = { off: undefined, unseen: undefined, holds: () => true };
  const sources = { world: now, names, compiled: compile(now, names), inline: inline ?? on };
  return connectionPath(sources, question, evaluate(now, question));
}

const off = (reason: InlineOff['reason'], held = false) => {
  const lack = { reason, message: `because of ${reason}` };
  return { off: lack, unseen: lack, holds: () => held };
};

suite('which path a connection takes, why, and what would change it', () => {
  test('HTTP rules at the server: inline, for a workload and for the world', () => {
    const outside = { ...web, source: { address: '203.0.113.9' } };
    for (const question of [web, outside]) {
      const taken = pathOf(READS, { question });
      assert.equal(taken?.path, 'inline');
      assert.match(taken.why, /the kernel decides the requests to shop\/api/);
      assert.match(taken.change ?? '', /egress .* or the setting inline: off/);
    }
  });

  test('the same while the kernel can not: proxied, with the reason', () => {
    const reasons = ['Setting', 'KernelLacks', 'NotPermitted', 'LoadFailed', 'PoolFull', 'PoolAway'] as const;
    for (const reason of reasons) {
      const taken = pathOf(READS, { inline: off(reason) });
      assert.equal(taken?.path, 'proxied', reason);
      assert.match(taken.why, new RegExp(`because of ${reason}`));
      assert.ok(taken.change);
    }
    for (const reason of ['PoolFull', 'PoolAway'] as const)
      assert.equal(pathOf(READS, { inline: off(reason, true) })?.path, 'inline');
  });

  test('HTTP rules at the client: proxied', () => {
    const egress = policy(
      `{selector: {matchLabels: {app: web}}, egress: [{action: Allow, ${HTTP}}]}`,
      'AccessPolicy',
      'q',
    );
    const taken = pathOf(READS + egress);
    assert.equal(taken?.path, 'proxied');
    assert.match(taken.why, /egress rules of shop\/web/);
  });

  test('rules that the kernel has no place for: proxied, and which', () => {
    const connect = policy(`{${API}, ingress: [{action: Allow, http: [{methods: [CONNECT]}]}]}`);
    assert.match(pathOf(connect)?.why ?? '', /CONNECT or Upgrade/);
    const headers = Array.from({ length: 14 }, (_, n) => `{name: x-${n}, type: Exact, value: a}`);
    const many = policy(`{${API}, ingress: [{action: Allow, http: [{headers: [${headers.join(', ')}]}]}]}`);
    assert.match(pathOf(many)?.why ?? '', /registers, the kernel takes 16/);
    const audit = policy(`{${API}, mode: Audit, ingress: [{action: Allow, ${HTTP}}]}`);
    assert.equal(pathOf(audit)?.path, 'inline');
    assert.match(pathOf(audit)?.why ?? '', /Audit says of them; none is refused/);
    assert.equal(pathOf(audit, { inline: off('Setting') })?.path, 'proxied');
  });

  test('no rule reads requests: direct', () => {
    const plain = policy(`{${API}, ingress: [{action: Allow}]}`);
    assert.equal(pathOf(plain)?.path, 'direct');
    assert.equal(pathOf('')?.path, 'direct');
    const cgroup = pathOf(READS, { question: { ...web, destination: { workload: 'shop/batch' } } });
    assert.match(cgroup?.why ?? '', /shop\/batch is a cgroup/);
    const plainUdp = pathOf(plain, { question: { ...web, protocol: 'UDP' } });
    assert.match(plainUdp?.why ?? '', /TCP alone/);
  });

  test('what is refused before it opens takes no path', () => {
    assert.equal(pathOf(policy(`{${API}, ingress: [{action: Deny}]}`)), undefined);
  });
});
