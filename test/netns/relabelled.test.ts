// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Held } from '../support/held.ts';
import { type LabHost, linesOf, listening, until } from '../support/lab.ts';
import { NodeScene } from '../support/node-scene.ts';
import { echoServer } from '../support/programs.ts';

const workload = (host: LabHost, label: string): string => `apiVersion: perigee.dev/v1alpha1
kind: Workload
metadata: {name: ${host.name}, namespace: shop, labels: {app: ${label}}}
spec: {netns: ${host.netns}}
`;

const policy = `apiVersion: perigee.dev/v1alpha1
kind: AccessPolicy
metadata: {name: api, namespace: shop}
spec:
  selector: {matchLabels: {app: api}}
  ingress:
  - name: reads
    action: Allow
    from: [{podSelector: {matchLabels: {app: web}}}]
    to: [{port: 8080, protocol: TCP}]
    http: [{methods: [GET], path: {type: PathPrefix, value: /}}]
  - name: plain
    action: Allow
    from: [{podSelector: {matchLabels: {app: web}}}]
    to: [{port: 9000, protocol: TCP}]
`;

/** Keeps one connection to argv[1]:8080 and gets / over it for each line of its input; prints the status, or how it ended. */
const reader = `
import http.client,sys
c=http.client.HTTPConnection(sys.argv[1],8080); c.connect(); c.auto_open=0
for line in sys.stdin:
    try: c.request('GET','/'); r=c.getresponse(); r.read(); print(r.status,flush=True)
    except Exception as e: print(type(e).__name__,flush=True)
`;

interface Shown {
  readonly key: string;
  readonly connections?: Readonly<Record<'direct' | 'inline' | 'proxied', number>>;
}

describe('a workload gets other labels while its connections are open', () => {
  let node: NodeScene;
  let web: LabHost;
  let api: LabHost;

  before(async () => {
    node = new NodeScene('relabel');
    web = node.lab.host('web');
    api = node.lab.host('api');
    node.startIn(api, [
      'python3',
      '-m',
      'http.server',
      '-b',
      '::',
      '-d',
      node.config,
      '8080',
      '-p',
      'HTTP/1.1',
    ]);
    node.startIn(api, ['python3', '-c', echoServer, '9000']);
    for (const port of [8080, 9000]) await listening(node.lab, api, port);
    node.write('workloads.yaml', [workload(web, 'web'), workload(api, 'api')].join('---\n'));
    node.write('policy.yaml', policy);
    await node.startAgent();
    await node.settled();
  });
  after(() => node.destroy());

  const label = async (host: LabHost, name: string): Promise<void> => {
    const revision = node.status()?.config.revision ?? 0;
    const other = host === web ? workload(api, 'api') : workload(web, 'web');
    node.write('workloads.yaml', [workload(host, name), other].join('---\n'));
    await node.settled(revision + 1);
  };
  const open = (): number => {
    const { workloads } = JSON.parse(node.statusText()) as { workloads: readonly Shown[] };
    const counts = workloads.find(({ key }) => key === 'shop/web')?.connections;
    return Object.values(counts ?? {}).reduce((sum, count) => sum + count, 0);
  };

  test('what its old labels were allowed is closed, and refused by request, as of now; status counts what is open', async () => {
    const direct = await Promise.all(
      [api.address4, api.address6].map((to) => Held.open(node, web, [to, 9000])),
    );
    const child = node.lab.start(web, node.inside(['python3', '-u', '-c', reader, api.address4]), {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const lines = linesOf(child);
    const read = async (): Promise<string> => {
      const count = lines.length;
      child.stdin?.write('\n');
      await until('an answer', () => lines.length > count);
      return lines[count] ?? '';
    };
    assert.equal(await read(), '200');
    assert.equal(open(), 3);
    await label(web, 'stranger');
    for (const held of direct) assert.equal(await held.ended(), 'ECONNABORTED');
    assert.notEqual(await read(), '200');
    assert.equal((await Held.open(node, web, [api.address4, 9000])).opened, 'EPERM');
    child.stdin?.end();
    await until('nothing to be open', () => open() === 0);
    // Each of the three once: the kernel closed two, the proxy one.
    assert.equal(node.flows('--reason', 'policy-changed').length, 3);
    await label(web, 'web');
    const again = await Held.open(node, web, [api.address4, 9000]);
    assert.equal(again.opened, 'open');
    again.close();
  });

  test('what its new labels are not governed for is not closed', async () => {
    const held = await Held.open(node, web, [api.address6, 9000]);
    await label(api, 'open');
    assert.equal(await held.ping(), 'ping');
    held.close();
  });
});
