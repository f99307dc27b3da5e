// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { VerdictTotals } from '../../src/agent/verdict-totals.ts';
import { Names } from '../../src/control/compile/names.ts';
import { announcement, steering, tupleKey } from '../../src/core/abi/connection.ts';
import { direction, verdict, verdictCountKey } from '../../src/core/abi/policy.ts';
import type { RuleRef } from '../../src/core/policy/rule-ref.ts';
import type { DesiredTable } from '../../src/core/state/desired.ts';
import { KernelScene } from '../support/kernel-scene.ts';
import type { LabHost } from '../support/lab.ts';
import { tcpClient, tcpServer } from '../support/programs.ts';
import { listening } from '../support/lab.ts';

const none = new Uint8Array(16);

describe('what nobody needs any more leaves the maps', () => {
  let scene: KernelScene;
  let client: LabHost;
  let server: LabHost;

  before(async () => {
    scene = new KernelScene('leftovers');
    client = scene.lab.host('client');
    server = scene.lab.host('server');
    scene.serve(server, tcpServer, '8080');
    await listening(scene.lab, server, 8080);
    scene.govern([{ host: client }, { host: server, ingress: [] }]);
  });
  after(() => scene.destroy());

  const tuple = (port: number): Uint8Array =>
    tupleKey.encode({
      netns: scene.datapath.enrolled[1]?.kernelId ?? 0n,
      sourceAddress: none,
      destinationAddress: none,
      sourcePort: port,
      destinationPort: 8080,
    });

  test('an announcement stays while the socket lives that its proxy made for it, and goes with it', () => {
    const { native, datapath } = scene;
    const { announcements, own_sockets } = datapath.maps;
    const { fd } = native.sockets.openStream({ netnsFd: null, family: 4 });
    own_sockets.updateFd(fd, new Uint8Array([1, 0, 0, 0]));
    const announce = (port: number, proxyCookie: bigint): void =>
      announcements.update(
        tuple(port),
        announcement.encode({ clientAddress: none, clientPort: 1, clientIdentity: 1, proxyCookie }),
      );
    announce(1, native.sockets.cookie(fd));
    announce(2, 0xffff_ffff_ffffn);
    assert.equal(datapath.removeStale(), 1);
    assert.equal(announcements.lookup(tuple(2)), undefined);
    assert.notEqual(announcements.lookup(tuple(1)), undefined);
    native.sockets.close(fd);
    assert.equal(datapath.removeStale(), 1);
    assert.equal(announcements.dump().count, 0);
  });

  test('a destination that was handed over stays while its client lives, and goes with it', () => {
    const { native, datapath } = scene;
    const { handoff, client_steering } = datapath.maps;
    const { fd } = native.sockets.openStream({ netnsFd: null, family: 6 });
    const value = steering.encode({
      clientCookie: native.sockets.cookie(fd),
      netns: 1n,
      address: none,
      port: 1,
      family: 4,
      service: 0,
      sourceWorkload: 1,
      sourceIdentity: 1,
      destinationWorkload: 1,
      destinationIdentity: 1,
      egressRule: 1,
      ingressRule: 1,
    });
    client_steering.updateFd(fd, value);
    handoff.update(tuple(3), value);
    assert.equal(datapath.removeStale(), 0);
    native.sockets.close(fd);
    assert.equal(datapath.removeStale(), 1);
    assert.equal(handoff.dump().count, 0);
  });

  test('the stream of a boosted connection stays while its server lives, and goes with it', () => {
    const { native, datapath } = scene;
    const { boosted_streams, streams } = datapath.maps;
    const { fd } = native.sockets.openStream({ netnsFd: null, family: 4 });
    streams.updateFd(fd, new Uint8Array(streams.entrySize));
    for (const cookie of [native.sockets.cookie(fd), 0xffff_ffff_ffffn]) {
      const key = Buffer.from(new BigUint64Array([cookie]).buffer);
      boosted_streams.update(key, new Uint8Array(boosted_streams.entrySize));
    }
    assert.equal(datapath.removeStale(), 1);
    assert.equal(boosted_streams.dump().keys.readBigUInt64LE(), native.sockets.cookie(fd));
    native.sockets.close(fd);
    assert.equal(datapath.removeStale(), 1);
    assert.equal(boosted_streams.dump().count, 0);
  });

  test('counters of rules that are gone leave the map; the sum of their policy does not fall while it has others', () => {
    const { verdicts } = scene.datapath.maps;
    const names = new Names({ seed: [], next: 0 });
    const rule = (name: string, index: number): number => {
      const ref: RuleRef = { kind: 'AccessPolicy', namespace: 'shop', name, direction: 'egress', index };
      return names.rule(ref);
    };
    const rules = [rule('api', 0), rule('api', 1), rule('old', 0)] as const;
    const keyOf = (number: number): Uint8Array =>
      verdictCountKey.encode({ rule: number, direction: direction.egress, verdict: verdict.allowed });
    for (const [index, number] of [0, ...rules].entries()) {
      const value = Buffer.alloc(verdicts.entrySize);
      value.writeBigUInt64LE(BigInt(index + 1));
      verdicts.update(keyOf(number), value);
    }
    const totals = new VerdictTotals(scene.datapath.maps, names);
    const read = (): readonly (readonly [string, number])[] =>
      totals
        .read()
        .filter((total) => total.verdict === 'allowed')
        .map(({ policy, count }) => [policy, count] as const)
        .sort(([a], [b]) => a.localeCompare(b));
    const table = (...numbers: readonly number[]): DesiredTable => ({
      workload: 1,
      direction: 'egress',
      rows: numbers.map((number) => ({
        identity: 0,
        protocol: 'TCP',
        from: 0,
        to: 65535,
        action: 'allow',
        audit: 'none',
        rule: number,
        reason: 'none',
      })),
    });
    const before = [
      ['none', 1],
      ['shop/api', 5],
      ['shop/old', 4],
    ];
    assert.deepEqual(read(), before);
    totals.prune([table(...rules)]);
    assert.deepEqual(read(), before);
    totals.prune([table(rules[1])]);
    assert.deepEqual(
      [rules[0], rules[2], 0, rules[1]].map((number) => verdicts.lookup(keyOf(number)) !== undefined),
      [false, false, true, true],
    );
    assert.deepEqual(read(), [
      ['none', 1],
      ['shop/api', 5],
    ]);
  });

  test('what comes late for an ephemeral port is counted, not recorded; a refused connection to another is both', () => {
    const strayBefore = scene.drops('stray-segment');
    const guest = scene.lab.host('guest');
    scene.records();
    assert.equal(scene.python(guest, tcpClient, server.address4, '40000'), 'ECONNREFUSED');
    assert.equal(scene.python(guest, tcpClient, server.address6, '40000'), 'ECONNREFUSED');
    assert.equal(scene.drops('stray-segment') - strayBefore, 2);
    assert.deepEqual(scene.records(), []);
    assert.equal(scene.python(guest, tcpClient, server.address4, '8080'), 'ECONNREFUSED');
    assert.equal(scene.drops('stray-segment') - strayBefore, 2);
    assert.equal(scene.records().length, 1);
  });
});
