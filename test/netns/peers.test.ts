// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type LabHost, listening, until } from '../support/lab.ts';
import { NodeScene } from '../support/node-scene.ts';
import { tcpClient, tcpServer } from '../support/programs.ts';
import { PLAIN, workloadsYaml } from '../support/web-scene.ts';

/** Everybody of the world may come to api; web may go to the world and to api, the guest nowhere. */
const policy = `apiVersion: perigee.dev/v1alpha1
kind: AccessPolicy
metadata: {name: api, namespace: shop}
spec:
  selector: {matchLabels: {app: api}}
  ingress:
  - name: anybody
    action: Allow
    from: [{entities: [World]}, {podSelector: {matchLabels: {app: web}}}]
    to: [{port: ${String(PLAIN)}}]
---
apiVersion: perigee.dev/v1alpha1
kind: AccessPolicy
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  egress:
  - name: out
    action: Allow
    to: [{entities: [World]}, {podSelector: {matchLabels: {app: api}}}]
---
apiVersion: perigee.dev/v1alpha1
kind: AccessPolicy
metadata: {name: guest, namespace: shop}
spec:
  selector: {matchLabels: {app: guest}}
  egress: []
`;

interface WorkloadView {
  readonly key: string;
  readonly addresses: readonly string[];
  readonly note?: string;
}

describe('who a peer is, when its address does not say', () => {
  let node: NodeScene;
  let web: LabHost;
  let api: LabHost;
  let guest: LabHost;
  let remote: LabHost;

  before(async () => {
    node = new NodeScene('peers');
    [web, api, guest, remote] = ['web', 'api', 'guest', 'remote'].map((name) => node.lab.host(name)) as [
      LabHost,
      LabHost,
      LabHost,
      LabHost,
    ];
    for (const host of [api, guest, remote]) {
      node.startIn(host, ['python3', '-c', tcpServer, String(PLAIN)]);
      await listening(node.lab, host, PLAIN);
    }
    node.write('workloads.yaml', workloadsYaml(web, api, guest));
    node.write('policy.yaml', policy);
    await node.startAgent();
    await node.settled();
  });
  after(() => node.destroy());

  const connect = (from: LabHost, address: string): string =>
    node.runIn(from, ['python3', '-c', tcpClient, address, String(PLAIN)]).stdout.trim();
  /** Changes a machine's network as a program in it may that has CAP_NET_ADMIN. */
  const ip = (host: LabHost, command: string): void => {
    const { status, stderr } = node.lab.run(host, ['ip', ...command.split(' ')]);
    assert.equal(status, 0, `ip ${command}: ${stderr}`);
  };
  const view = (key: string): WorkloadView | undefined => {
    const { workloads } = JSON.parse(node.statusText()) as { workloads: readonly WorkloadView[] };
    return workloads.find((entry) => entry.key === key);
  };

  /** The address that the kernel gives a device by itself, once it may be used. */
  const linkLocal = async (host: LabHost): Promise<string> => {
    let found = '';
    await until(`the link-local address of ${host.name}`, () => {
      const { stdout } = node.lab.run(host, ['ip', '-6', 'addr', 'show', 'dev', 'eth0', 'scope', 'link']);
      found = /inet6 (fe80::[0-9a-f:]+)\/64 (?!.*tentative)/.exec(stdout)?.[1] ?? '';
      return found !== '';
    });
    return `${found}%eth0`;
  };

  test('an address of the link is not the world: neither as client nor as server', async () => {
    const [ofApi, ofGuest, ofRemote] = [
      await linkLocal(api),
      await linkLocal(guest),
      await linkLocal(remote),
    ];
    await linkLocal(web);
    for (const address of [api.address4, api.address6]) assert.match(connect(remote, address), /^ok/);
    assert.equal(connect(remote, ofApi), 'ECONNREFUSED');
    assert.match(connect(remote, ofGuest), /^ok/, 'no policy selects its ingress');
    for (const address of [remote.address4, remote.address6]) assert.match(connect(web, address), /^ok/);
    assert.equal(connect(web, ofRemote), 'EPERM');
    assert.equal(connect(web, ofApi), 'EPERM');
  });

  test('nor is 169.254.0.0/16', () => {
    ip(api, 'addr add 169.254.7.1/16 dev eth0');
    ip(remote, 'addr add 169.254.7.2/16 dev eth0');
    ip(web, 'addr add 169.254.7.3/16 dev eth0');
    assert.equal(connect(remote, '169.254.7.1'), 'ECONNREFUSED');
    assert.equal(connect(web, '169.254.7.2'), 'EPERM');
  });

  test("a workload that takes an address of the world for itself doesn't reach it", async () => {
    ip(remote, 'addr add 192.0.2.1/32 dev eth0');
    ip(guest, 'addr add 192.0.2.1/32 dev eth0');
    // What makes it an address to send to again.
    ip(guest, 'route del local 192.0.2.1 dev eth0 table local');
    ip(guest, 'route add 192.0.2.1/32 dev eth0');
    // Once the agent has seen this one, it has seen the other, too.
    ip(guest, 'addr add 10.77.0.99/24 dev eth0');
    await until('the agent to look', () => view('shop/guest')?.addresses.includes('10.77.0.99') === true);
    assert.equal(view('shop/guest')?.addresses.includes('192.0.2.1'), false);
    assert.equal(connect(guest, '192.0.2.1'), 'EPERM');
    ip(guest, 'addr del 10.77.0.99/24 dev eth0');
  });

  test("a workload that claims another's address takes nothing, and status names both", async () => {
    assert.equal(connect(guest, api.address4), 'EPERM');
    ip(guest, `addr add ${api.address4}/32 dev eth0`);
    ip(guest, `route del local ${api.address4} dev eth0 table local`);
    const note = `address ${api.address4} is claimed by shop/api, shop/guest`;
    await until('the claim to be seen', () => view('shop/guest')?.note === note);
    assert.equal(view('shop/api')?.note, note);
    assert.equal(connect(guest, api.address4), 'EPERM');
    // What comes to the address is judged where it arrives.
    assert.match(connect(web, api.address4), /^ok/);
    ip(guest, `addr del ${api.address4}/32 dev eth0`);
    await until('the claim to be forgotten', () => view('shop/api')?.note === undefined);
    assert.match(connect(web, api.address4), /^ok/);
    assert.equal(connect(guest, api.address4), 'EPERM');
  });
});
