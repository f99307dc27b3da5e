// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Names } from '../../src/control/compile/names.ts';
import { DEFAULT_HEAD_LIMITS, HeadStatus } from '../../src/core/automaton/executor.ts';
import { parseAddress } from '../../src/core/identity/address.ts';
import { evaluate } from '../../src/core/policy/evaluate.ts';
import { headOf } from '../../src/core/policy/http-decision.ts';
import { peerOfAddress } from '../../src/core/policy/peers.ts';
import type { Resource } from '../../src/core/resources/kinds.ts';
import { ruleKey } from '../../src/core/policy/rule-ref.ts';
import type { HttpRequest } from '../../src/core/policy/verdict.ts';
import type { World } from '../../src/core/policy/world.ts';
import { Gate } from '../../src/proxy/gate.ts';
import { Mode, PolicyTable, type Ruling } from '../../src/proxy/policy.ts';
import { loadRules, RuleLists } from '../../src/proxy/request-rules.ts';
import { type Scene, questionFor, scene } from '../support/policy-arbitrary.ts';
import type { OracleQuestion } from '../support/policy-oracle.ts';
import { questionOf, worldOf } from '../support/policy-scene.ts';
import { compile } from '../support/one-world.ts';

/** Scenes whose policies read requests, and a request each. */
const asked = scene
  .filter(({ resources }) => resources.some(hasHttp))
  .chain((one) =>
    questionFor(one)
      .filter(({ http, protocol }) => http !== undefined && protocol === 'TCP')
      .map((question) => [one, question] as const),
  );

function hasHttp(resource: Resource): boolean {
  if (resource.kind !== 'AccessPolicy' && resource.kind !== 'ClusterAccessPolicy') return false;
  const { ingress = [], egress = [] } = resource.spec;
  return [...ingress, ...egress].some(({ http }) => http !== undefined);
}

/** What the proxy would do with the question, from what the compiler tells it. */
class Enforced {
  readonly ruling: Ruling;
  readonly lists: RuleLists;
  readonly names: Names;

  constructor(world: World, { addresses }: Scene, { source, destination, port }: OracleQuestion) {
    this.names = new Names({ seed: [], next: 1000 });
    const { proxy } = compile(world, this.names);
    this.lists = new RuleLists(
      proxy.automata.map(({ bytes, readHeaders, audit, rules, undecidable, auditUndecidable }) =>
        loadRules({
          table: Uint8Array.from(bytes).buffer,
          readHeaders,
          defaultDeny: audit?.defaultDeny ?? 0,
          ...((undecidable ?? auditUndecidable) === undefined ? {} : { rules }),
        }),
      ),
    );
    const end = (text: string) => {
      const address = parseAddress(addresses.get(text) ?? text);
      assert.ok(address !== undefined);
      const owner = world.addresses.owner(address);
      const workload =
        owner !== undefined && 'workload' in owner ? world.workloads.get(owner.workload) : undefined;
      const identity = this.names.peer(peerOfAddress(world, address));
      return { identity, workload: workload === undefined ? 0 : this.names.workload(workload) };
    };
    const [from, to] = [end(source), end(destination)];
    this.ruling = new PolicyTable(proxy.verdicts).rule({
      sourceWorkload: from.workload,
      sourceIdentity: from.identity,
      destinationWorkload: to.workload,
      destinationIdentity: to.identity,
      destinationPort: port,
    });
  }

  /** Undefined: the head can't be read. */
  request(http: HttpRequest): Gate | undefined {
    const first = this.lists.at(0);
    if (first === undefined) return undefined;
    const { method, target, headers } = headOf(http);
    const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
    const bytes = Buffer.from(`${method} ${target} HTTP/1.1\r\n${lines}\r\n`, 'latin1');
    const gate = new Gate(first.table, DEFAULT_HEAD_LIMITS);
    gate.begin(this.lists, this.ruling);
    if (gate.run(bytes, 0, bytes.length) !== HeadStatus.Done) return undefined;
    gate.judge(bytes, 0);
    return gate;
  }

  nameOf(rule: number): string {
    const ref = this.names.ruleOf(rule);
    return ref === undefined ? '' : ruleKey(ref);
  }
}

test('what the proxy enforces and reports is what the evaluator says', () => {
  const seen = { refused: 0, passed: 0, audited: 0, observed: 0, whole: 0 };
  fc.assert(
    fc.property(asked, ([one, question]) => {
      const { http, protocol } = question;
      assert.ok(http !== undefined && protocol === 'TCP');
      const world = worldOf(one);
      const decision = evaluate(world, questionOf(question));
      if (decision.reason === 'AllowedSelf') return;
      const enforced = new Enforced(world, one, question);
      const { ruling } = enforced;
      const wouldDeny = decision.auditWouldDeny.map(ruleKey);
      if (ruling.mode === Mode.deny) {
        assert.deepEqual([decision.verdict, decision.layer], ['Deny', 'L3L4']);
        return;
      }
      assert.equal(decision.path, ruling.mode === Mode.allow ? 'direct' : 'proxied');
      const whole = [ruling.egress.audit, ruling.ingress.audit].filter((rule) => rule !== 0);
      if (ruling.mode === Mode.allow) {
        assert.equal(decision.verdict, 'Allow');
        assert.equal(whole.length > 0, wouldDeny.length > 0);
        for (const rule of whole) assert.ok(wouldDeny.includes(enforced.nameOf(rule)));
        if (whole.length > 0) seen.whole++;
        return;
      }
      const gate = enforced.request(http);
      if (gate === undefined) return;
      assert.equal(gate.allowed, decision.verdict === 'Allow');
      assert.equal(gate.audited, wouldDeny.length > 0);
      seen[gate.audited ? 'audited' : gate.allowed ? 'passed' : 'refused']++;
      if (ruling.mode === Mode.observe) seen.observed++;
      if (!gate.audited) return;
      const named = [gate.egressRule, gate.ingressRule].map((rule) => enforced.nameOf(rule));
      assert.ok(
        named.some((name) => wouldDeny.includes(name)),
        `${named.join()} not among ${wouldDeny.join()}`,
      );
    }),
    { numRuns: 1000, endOnFailure: true },
  );
  for (const [outcome, count] of Object.entries(seen)) assert.ok(count > 0, `none ${outcome}`);
});
