// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, rmdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { AgentProcess } from '../support/agent-process.ts';
import { rawSender } from '../support/forged.ts';
import { Held } from '../support/held.ts';
import { type CommandResult, Lab, type LabHost, cgroup2Root, listening, until } from '../support/lab.ts';
import { echoServer, tcpClient, tcpServer } from '../support/programs.ts';

const NAME = 'perigee-rs7';

/** The job may reach the server's port 8080 by request, 9000 by connection, and nothing else. */
const resources = (netns: string, plain = 9000): string => `apiVersion: perigee.dev/v1alpha1
kind: Workload
metadata: {name: job, namespace: shop, labels: {app: job}}
spec: {cgroup: job}
---
apiVersion: perigee.dev/v1alpha1
kind: Workload
metadata: {name: api, namespace: shop, labels: {app: api}}
spec: {netns: ${netns}}
---
apiVersion: perigee.dev/v1alpha1
kind: AccessPolicy
metadata: {name: job, namespace: shop}
spec:
  selector: {matchLabels: {app: job}}
  ingress: []
  egress:
  - name: reads
    action: Allow
    to: [{podSelector: {matchLabels: {app: api}}, port: 8080}]
    http: [{methods: [GET], path: {type: PathPrefix, value: /items}}]
  - name: plain
    action: Allow
    to: [{podSelector: {matchLabels: {app: api}}, port: ${String(plain)}}]
`;

/** Resolves once the cgroup is empty and gone. */
function removed(group: string): Promise<void> {
  return until(`${group} to be empty`, () => {
    try {
      rmdirSync(group);
      return true;
    } catch {
      return false;
    }
  });
}

interface WorkloadView {
  readonly key: string;
  readonly attachment: string;
  readonly ingress: string;
  readonly egress: string;
  readonly note?: string;
}

describe("a cgroup as a workload: it shares its node's network", () => {
  const lab = Lab.create('rs7');
  const cgroup = join(cgroup2Root(), NAME);
  const job = join(cgroup, 'job');
  const folder = mkdtempSync(join(tmpdir(), `${NAME}-`));
  let machine: LabHost;
  let api: LabHost;
  let agent: AgentProcess;

  const enter = (group: string, command: readonly string[]): string[] => [
    ...['sh', '-c', 'echo $$ > "$0/cgroup.procs" && exec "$@"', group],
    ...command,
  ];

  before(async () => {
    mkdirSync(job, { recursive: true });
    machine = lab.host('machine');
    api = lab.host('api');
    const serve = (host: LabHost, ...command: string[]): unknown => lab.start(host, enter(cgroup, command));
    serve(api, 'python3', '-m', 'http.server', '-b', '::', '-d', folder, '8080');
    serve(api, 'python3', '-c', tcpServer, '9000');
    serve(api, 'python3', '-c', echoServer, '9002');
    serve(machine, 'python3', '-c', tcpServer, '7000');
    for (const port of [8080, 9000, 9002]) await listening(lab, api, port);
    await listening(lab, machine, 7000);
    mkdirSync(join(folder, 'config'));
    writeFileSync(join(folder, 'items'), 'an item\n');
    writeFileSync(join(folder, 'config/shop.yaml'), resources(api.netns));
    agent = new AgentProcess({
      name: NAME,
      config: join(folder, 'config'),
      cgroup,
      // The node's own network is a machine of the lab.
      wrap: (command) => enter(cgroup, ['nsenter', `--net=${machine.path}`, ...command]),
    });
    await agent.start();
  });
  after(async () => {
    await agent.cleanup();
    await lab.destroy();
    rmSync(folder, { recursive: true });
    await removed(job);
    await removed(cgroup);
  });

  const run = (group: string, from: LabHost, ...command: string[]): CommandResult =>
    lab.run(from, enter(group, command));
  const connect = (group: string, address: string, port: number): string =>
    run(group, machine, 'python3', '-c', tcpClient, address, String(port)).stdout.trim();
  const curl = (group: string, url: string, ...flags: string[]): string =>
    run(group, machine, 'curl', '-s', '-m', '5', '-w', ' %{http_code}', ...flags, url).stdout.trim();

  test('status says that only its egress is governed', async () => {
    const { stdout } = await agent.cli(['status', '-o', 'json']);
    const { workloads } = JSON.parse(stdout) as { workloads: readonly WorkloadView[] };
    const view = workloads.find(({ key }) => key === 'shop/job');
    assert.ok(view !== undefined);
    assert.deepEqual([view.attachment, view.egress, view.ingress], ['cgroup', 'governed', 'unsupported']);
    assert.match(view.note ?? '', /egress only/);
  });

  test('its connections are allowed and refused as written; those of its neighbours on the node are not touched', () => {
    for (const address of [api.address4, api.address6]) {
      assert.match(connect(job, address, 9000), /^ok/);
      assert.equal(connect(job, address, 9001), 'EPERM');
      assert.equal(connect(cgroup, address, 9001), 'ECONNREFUSED');
    }
    assert.equal(connect(job, machine.address4, 7000), 'EPERM');
  });

  test('its raw sockets are no way around its policy; those of its neighbours are not touched', () => {
    const send = (group: string, how: string, to: string): string =>
      run(group, machine, 'python3', '-c', rawSender, how, to, machine.address4).stdout.trim();
    for (const how of ['tcp', 'udp', 'raw tcp', 'icmp with a tcp header']) {
      assert.equal(send(job, how, api.address4), 'EPERM', how);
      assert.equal(send(cgroup, how, api.address4), 'sent', how);
    }
    for (const how of ['tcp', 'udp']) assert.equal(send(job, how, api.address6), 'EPERM', `${how}, IPv6`);
  });

  test('its requests are judged one by one, over both families', () => {
    for (const host of [api.address4, `[${api.address6}]`]) {
      assert.equal(curl(job, `http://${host}:8080/items`), 'an item\n 200');
      assert.match(curl(job, `http://${host}:8080/other`), /reference [0-9a-f]{16}\)\n 403$/);
      assert.match(curl(job, `http://${host}:8080/items`, '-X', 'POST'), / 403$/);
      assert.match(curl(cgroup, `http://${host}:8080/other`), / 404$/);
    }
  });

  const apply = async (text: string, revision: number): Promise<void> => {
    writeFileSync(join(folder, 'config/shop.yaml'), text);
    await until('the change to be in force', async () => (await inForce()) > revision);
  };
  const inForce = async (): Promise<number> => {
    const { stdout } = await agent.cli(['status', '-o', 'json']);
    return (JSON.parse(stdout) as { config: { revision: number } }).config.revision;
  };
  const hold = (group: string, address: string): Promise<Held> =>
    Held.open({ lab, inside: (command) => enter(group, command) }, machine, [address, 9002]);

  test('a change closes what it forbids and leaves the rest of the node alone, whenever it was opened', async () => {
    await apply(resources(api.netns, 9002), await inForce());
    const below = join(job, 'below');
    mkdirSync(below);
    const doomed = await Promise.all([
      hold(job, api.address4),
      hold(job, api.address6),
      hold(below, `::ffff:${api.address4}`),
    ]);
    const neighbour = await hold(cgroup, api.address4);
    await apply(resources(api.netns, 9000), await inForce());
    for (const held of doomed) assert.equal(await held.ended(), 'ECONNABORTED');
    assert.equal(await neighbour.ping(), 'ping');
    neighbour.close();
    await removed(below);
  });

  test('made again, it is another cgroup: governed again, also what was opened before that was seen', async () => {
    const before = await inForce();
    await removed(job);
    await until('the cgroup to be let go', async () => (await inForce()) > before);
    const gone = await inForce();
    mkdirSync(job);
    const early = await hold(job, api.address4);
    await until('the new cgroup', async () => (await inForce()) > gone);
    assert.equal(early.opened === 'EPERM' ? 'ECONNABORTED' : await early.ended(), 'ECONNABORTED');
    assert.match(connect(job, api.address4, 9000), /^ok/);
    assert.equal(connect(job, api.address4, 9002), 'EPERM');
    assert.match(curl(job, `http://${api.address4}:8080/other`), / 403$/);
  });

  test('what connects to it is not governed, whatever its policy says', () => {
    const result = run(cgroup, api, 'python3', '-c', tcpClient, machine.address4, '7000');
    assert.match(result.stdout, /^ok/);
  });
});
