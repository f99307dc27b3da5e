// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Compiler } from '../../src/control/compile/compile.ts';
import { Names } from '../../src/control/compile/names.ts';
import type { PeerIdentity } from '../../src/core/identity/peer-identity.ts';
import { connectionVerdict, httpRules, httpRulesAt } from '../../src/core/policy/connection-verdict.ts';
import { decideRequest } from '../../src/core/policy/http-decision.ts';
import { restSelections, restSubject } from '../../src/core/policy/rest.ts';
import type { PortRange } from '../../src/core/policy/verdict.ts';
import { type World, selectionsOf } from '../../src/core/policy/world.ts';
import { REST } from '../../src/core/state/desired.ts';
import { PolicyIndex } from '../../src/core/state/policy-index.ts';
import type { Workload } from '../../src/core/workload/workload.ts';
import { type Scene, questionFor, scene } from '../support/policy-arbitrary.ts';
import { worldOf } from '../support/policy-scene.ts';
import { compile, ipcache, peerIdentities } from '../support/one-world.ts';

const RUNS = 400;
const newNames = () => new Names({ seed: [], next: 0 });
const actions = { Allow: 'allow', Deny: 'deny', Proxy: 'proxy' } as const;
const severity = { deny: 0, proxy: 1, inline: 1, allow: 2, visible: 2 } as const;

/** Action, rule and audit of the row that a range becomes. */
function enforced({ verdict, rule, audit }: PortRange, names: Names): unknown[] {
  if (verdict === 'Allow' && audit?.verdict === 'Proxy') return ['proxy', names.rule(rule), 'requests'];
  const passes = verdict === 'Allow' && audit?.verdict === 'Deny';
  const named = names.rule(passes ? audit.rules[0] : rule);
  return [actions[verdict], named, audit?.verdict === 'Deny' ? 'deny' : 'none'];
}

type Side = [Workload, 'ingress' | 'egress', PeerIdentity];

function sides(world: World): Side[] {
  const peers = peerIdentities(ipcache(world));
  return [...world.workloads.values()].flatMap((workload) =>
    (['ingress', 'egress'] as const)
      .filter((direction) => selectionsOf(world, workload, direction).length > 0)
      .flatMap((direction) => peers.map((peer): Side => [workload, direction, peer])),
  );
}

test('own rows, and those of the rest for whoever has none, say what the truth tables say', () => {
  let own = 0;
  let rest = 0;
  const property = fc.property(scene, (one) => {
    const world = worldOf(one);
    const names = newNames();
    const { desired } = compile(world, names);
    const index = new PolicyIndex(desired);
    for (const side of sides(world)) {
      const [workload, direction, peer] = side;
      const identity = names.peer(peer);
      for (const protocol of ['TCP', 'UDP'] as const) {
        const asked = { workload: names.workload(workload), direction, identity };
        for (const range of connectionVerdict(world, workload, direction, peer, protocol)) {
          const row = index.verdict(asked, protocol, range.from);
          assert.ok(row !== undefined);
          assert.deepEqual(
            [row.from, row.to, row.action, row.rule, row.audit],
            [range.from, range.to, ...enforced(range, names)],
          );
          if (row.identity === REST) rest += 1;
          else own += 1;
        }
      }
    }
  });
  fc.assert(property, { numRuns: RUNS });
  assert.ok(own > 100 && rest > 100, `own ${own}, rest ${rest}`);
});

const sceneAndRequest = scene.chain((one) => questionFor(one).map((question) => [one, question] as const));

test('whoever loses its own rows gets no more from those of the rest', () => {
  const property = fc.property(sceneAndRequest, ([one, { http }]) => {
    const world = worldOf(one);
    const names = newNames();
    const index = new PolicyIndex(compile(world, names).desired);
    for (const [[workload, direction, peer], protocol] of sides(world).flatMap((side) => [
      [side, 'TCP'] as const,
      [side, 'UDP'] as const,
    ])) {
      const lost = { workload: names.workload(workload), direction, identity: 0xffff_ffff };
      const selections = restSelections(world, restSubject(workload, direction, protocol));
      for (const { from, to, verdict } of connectionVerdict(world, workload, direction, peer, protocol)) {
        for (const port of [from, to]) {
          const row = index.verdict(lost, protocol, port);
          assert.ok(row !== undefined);
          assert.ok(severity[row.action] <= severity[actions[verdict]]);
          if (row.action !== 'proxy' || verdict !== 'Proxy' || http === undefined) continue;
          if (decideRequest(httpRulesAt(selections, port, false), http).verdict === 'Deny') continue;
          const due = decideRequest(httpRules(world, workload, direction, peer, port), http);
          assert.equal(due.verdict, 'Allow');
        }
      }
    }
  });
  fc.assert(property, { numRuns: RUNS });
});

/** Worlds that have most resources in common, as the states of one folder have. */
const history = scene.chain((one) =>
  fc
    .array(
      fc.oneof(
        fc.subarray([...one.resources]),
        scene.map(({ resources }) => resources),
      ),
      {
        minLength: 1,
        maxLength: 4,
      },
    )
    .map((sets) => sets.map((resources): Scene => ({ ...one, resources }))),
);

test('what a compiler yields does not depend on the worlds that it has seen before', () => {
  const property = fc.property(history, (scenes) => {
    const names = newNames();
    const compiler = new Compiler(names);
    for (const one of scenes) {
      const world = worldOf(one);
      assert.deepEqual(compiler.compile(world), compile(world, names));
    }
  });
  fc.assert(property, { numRuns: RUNS });
});

test('rows that a change does not touch stay the same list', () => {
  const property = fc.property(scene, (one) => {
    const names = newNames();
    const compiler = new Compiler(names);
    const first = compiler.compile(worldOf(one)).desired.policy;
    const second = compiler.compile(worldOf({ ...one, resources: [...one.resources].reverse() }));
    assert.equal(second.desired.policy.length, first.length);
    second.desired.policy.forEach(({ rows }, index) => assert.equal(rows, first[index]?.rows));
  });
  fc.assert(property, { numRuns: 100 });
});
