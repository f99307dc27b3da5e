// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { until } from '../support/lab.ts';
import type { NodeStatus } from '../support/node-scene.ts';
import { SystemdMachine } from '../support/systemd-machine.ts';

const agent = 'perigee-agent.service';
const proxy = 'perigee-proxy.service';

const resources = `apiVersion: perigee.dev/v1alpha1
kind: Workload
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {netns: web}
---
apiVersion: perigee.dev/v1alpha1
kind: Workload
metadata: {name: api, namespace: shop, labels: {app: api}}
spec: {netns: api}
---
apiVersion: perigee.dev/v1alpha1
kind: AccessPolicy
metadata: {name: api, namespace: shop}
spec:
  selector: {matchLabels: {app: api}}
  ingress:
  - name: items
    action: Allow
    to: [{port: 8080}]
    http: [{methods: [GET], path: {type: PathPrefix, value: /items}}]
  - name: tunnels, which only the proxy can watch
    action: Allow
    to: [{port: 8081}]
    http: [{methods: [GET], path: {type: PathPrefix, value: /items}}, {methods: [CONNECT]}]
`;

const governed = [
  ['200', '403'],
  ['200', '403'],
];

/** Two machines on one wire, and a server in one of them; runs in the machine that systemd runs. */
const network = `set -e
ip netns add web; ip netns add api; ip -n web link add eth0 type veth peer name eth0 netns api
ip -n web addr add 10.78.0.1/24 dev eth0; ip -n api addr add 10.78.0.2/24 dev eth0
for n in web api; do ip -n $n link set lo up; ip -n $n link set eth0 up; done
mkdir -p /run/www; echo an item >/run/www/items; echo a secret >/run/www/secret
printf '%s' "$1" >/etc/perigee/resources/shop.yaml
cd /run/www
for port in 8080 8081; do ip netns exec api python3 -m http.server $port >/dev/null 2>&1 & done
`;

describe('the units as they are shipped, under systemd', () => {
  const machine = new SystemdMachine('systemd');

  before(async () => {
    await machine.booted();
    const { status, stderr } = machine.run('sh', '-c', network, 'sh', resources);
    assert.equal(status, 0, stderr);
    machine.systemctl('start', agent, proxy);
    await settled();
  });
  after(() => machine.destroy());

  const status = (): NodeStatus | undefined => {
    const { stdout } = machine.run('/opt/perigee/bin/perigee', 'status', '-o', 'json');
    return stdout === '' ? undefined : (JSON.parse(stdout) as NodeStatus);
  };
  const settled = async (): Promise<void> => {
    try {
      await until('agent and proxy to agree', () => {
        const now = status();
        return (
          now?.ready === true && now.proxy.state === 'running' && now.proxy.revision === now.config.revision
        );
      });
    } catch (cause) {
      throw new Error(`${machine.journal(agent)}\n${machine.journal(proxy)}`, { cause });
    }
  };
  const ask = (port: number, path: string): string => {
    const flags = ['-s', '-m', '5', '-o', '/dev/null', '-w', '%{http_code}'];
    return machine.run(
      'ip',
      'netns',
      'exec',
      'web',
      'curl',
      ...flags,
      `http://10.78.0.2:${String(port)}${path}`,
    ).stdout;
  };
  /** Of what is allowed and what isn't: by the kernel, through the proxy. */
  const answers = (): string[][] =>
    [8080, 8081].map((port) => ['/items', '/secret'].map((path) => ask(port, path)));
  const pid = (unit: string): string => machine.show(unit, 'MainPID');

  test('systemd finds no fault in them', () => {
    const { status: code, stderr } = machine.run('systemd-analyze', 'verify', agent, proxy);
    assert.deepEqual([code, stderr], [0, '']);
  });

  test('they start at the first attempt, each in its own cgroup, and policy is in force', () => {
    assert.deepEqual(
      [agent, proxy].map((unit) => [machine.show(unit, 'ActiveState'), machine.show(unit, 'NRestarts')]),
      [
        ['active', '0'],
        ['active', '0'],
      ],
    );
    assert.equal(status()?.proxy.pid, Number(pid(proxy)));
    assert.deepEqual(answers(), governed);
  });

  for (const [what, ...command] of [
    ['restarted', 'restart', agent],
    ['killed', 'kill', '-s', 'KILL', agent],
  ] as const) {
    test(`the agent is ${what}: another takes over, the proxy is not touched`, async () => {
      const [before, beside] = [pid(agent), pid(proxy)];
      assert.equal(machine.systemctl(...command).status, 0);
      await until('another agent', () => !['0', before].includes(pid(agent)));
      await settled();
      assert.equal(pid(proxy), beside);
      assert.deepEqual(answers(), governed);
    });
  }

  test('the agent is stopped: policy stays in force', () => {
    machine.systemctl('stop', agent);
    assert.equal(machine.show(agent, 'ActiveState'), 'inactive');
    assert.equal(machine.show(agent, 'Result'), 'success');
    // The kernel refuses; who would answer is away.
    assert.deepEqual(answers(), [
      ['200', '000'],
      ['200', '403'],
    ]);
    machine.systemctl('start', agent);
    return settled();
  });

  test('the proxy is killed: another is started, the agent is not touched', async () => {
    const [before, beside] = [pid(proxy), pid(agent)];
    machine.systemctl('kill', '-s', 'KILL', proxy);
    await until('another proxy', () => !['0', before].includes(pid(proxy)));
    await settled();
    assert.equal(pid(agent), beside);
    assert.deepEqual(answers(), governed);
  });

  test('the proxy is stopped: what needs it is refused, and it ends in order', () => {
    machine.systemctl('stop', proxy);
    assert.equal(machine.show(proxy, 'Result'), 'success');
    assert.deepEqual(answers(), [
      ['200', '403'],
      ['000', '000'],
    ]);
    assert.equal(machine.show(agent, 'ActiveState'), 'active');
  });
});
