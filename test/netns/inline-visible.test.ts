// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type LabHost, until } from '../support/lab.ts';
import { NodeScene } from '../support/node-scene.ts';
import { RULED, connectionsIn, serverPolicyYaml, startNginx, workloadsYaml } from '../support/web-scene.ts';
import { scrape } from '../support/scrape.ts';

const METRICS = '127.0.0.1:29975';
/** More than the ring of refusals holds: 256 KiB, 96 bytes each. */
const FLOOD = 3200;

/** Opens connections, sends a refused request on each, says how many, and holds them. */
const flood = `
import resource,socket,sys,time
resource.setrlimit(resource.RLIMIT_NOFILE,(8192,8192))
held=[]
for i in range(int(sys.argv[3])):
    s=socket.create_connection((sys.argv[1],int(sys.argv[2])),5); s.sendall(b'GET /admin HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n'); held.append(s)
print(len(held),flush=True)
time.sleep(60)
`;

interface Explained {
  readonly decision: { readonly path: string };
  readonly path?: { readonly why: string; readonly change?: string };
}

interface Conditions {
  readonly conditions: readonly {
    readonly type: string;
    readonly reason: string;
    readonly message: string;
  }[];
}

describe('what can be seen of HTTP policy in the kernel', () => {
  let node: NodeScene;
  let api: LabHost;
  let web: LabHost;
  let stranger: LabHost;

  const explain = (): Explained =>
    JSON.parse(
      node.perigee(
        ...['explain', 'shop/web', 'shop/api', '--port', String(RULED), '-o', 'json'],
        ...['--socket', node.socket],
      ),
    ) as Explained;
  const inlineCondition = (): Conditions['conditions'][number] | undefined =>
    (JSON.parse(node.statusText()) as Conditions).conditions.find(({ type }) => type === 'Inline');

  before(async () => {
    node = new NodeScene('visible', { inline: 'auto' });
    api = node.lab.host('api');
    web = node.lab.host('web');
    stranger = node.lab.host('stranger');
    await startNginx(node, api);
    node.write('workloads.yaml', workloadsYaml(api, web));
    node.write('policy.yaml', serverPolicyYaml(api));
    await node.startAgent('--metrics-address', METRICS);
  });
  after(() => node.destroy());

  test('every request is in the metrics, once, by who asked whom and what came of it', async () => {
    const url = `http://${api.address4}:${String(RULED)}`;
    const asks: readonly (readonly [LabHost, string, string, string])[] = [
      [web, 'GET', '/a', '200'],
      [web, 'GET', '/b', '200'],
      [web, 'POST', '/c', '200'],
      [web, 'DELETE', '/d', '403'],
      [stranger, 'GET', '/e', '200'],
      [stranger, 'GET', '/admin', '403'],
    ];
    for (const [host, method, path, status] of asks)
      assert.equal(node.curl(host, `${url}${path}`, '-X', method).status, status, `${method} ${path}`);
    const line = (source: string, method: string, code: string, count: number): string =>
      `perigee_http_requests_total{source_workload="${source}",destination_workload="shop/api",` +
      `method="${method}",code="${code}",path_mode="inline"} ${String(count)}`;
    const wanted = [
      line('shop/web', 'GET', '200', 2),
      line('shop/web', 'POST', '200', 1),
      line('shop/web', 'DELETE', '403', 1),
      line('World', 'GET', '200', 1),
      line('World', 'GET', '403', 1),
    ];
    // A request is counted with the end of its response, which curl may see first.
    await until('the counts', async () => {
      const lines = new Set((await scrape(METRICS)).split('\n'));
      return wanted.every((one) => lines.has(one));
    });
    const text = await scrape(METRICS);
    const seen = text.match(/^perigee_http_requests_total\{.*path_mode="inline"\}.*$/gm) ?? [];
    assert.deepEqual([...seen].sort(), [...wanted].sort());
    const parties = 'source_workload="shop/web",destination_workload="shop/api",path_mode="inline"';
    assert.match(text, new RegExp(`^perigee_http_request_duration_seconds_count\\{${parties}\\} 4$`, 'm'));
    assert.match(
      text,
      new RegExp(`^perigee_http_request_duration_seconds_bucket\\{${parties},le="\\+Inf"\\} 4$`, 'm'),
    );
    assert.match(text, /^perigee_refusals_answered_total\{outcome="answered"\} 2$/m);
    assert.match(text, /^perigee_drops_total\{reason="http-no-rule",component="kernel"\} 1$/m);
    assert.match(text, /^perigee_inline_tables 1$/m);
    assert.doesNotMatch(text, /^perigee_inline_off\{/m);
  });

  test('explain says that the connection is inline, and status has nothing to complain of', () => {
    const { decision, path } = explain();
    assert.equal(decision.path, 'inline');
    assert.match(path?.why ?? '', /the kernel decides the requests to shop\/api/);
    assert.equal(inlineCondition(), undefined);
  });

  test('refusals that found the ring full are closed all the same', async () => {
    assert.ok(node.agent?.pid !== undefined);
    process.kill(node.agent.pid, 'SIGSTOP');
    const client = node.startIn(web, ['python3', '-c', flood, api.address4, String(RULED), String(FLOOD)]);
    try {
      await until('the flood', () => connectionsIn(node, api, 'state', 'established') >= FLOOD);
    } finally {
      process.kill(node.agent.pid, 'SIGCONT');
    }
    await until(
      'every refused connection to be closed',
      () => connectionsIn(node, api, 'state', 'established') === 0,
    );
    const lost = /^perigee_refusals_answered_total\{outcome="lost"\} (\d+)$/m.exec(
      await scrape(METRICS),
    )?.[1];
    assert.ok(Number(lost) > 0, `${String(lost)} lost`);
    client.kill('SIGKILL');
  });

  test('with the setting off, status, explain and metrics say that it is off and why', async () => {
    await node.killAgent('SIGTERM');
    await node.startAgent('--metrics-address', METRICS, '--inline', 'off');
    const { decision, path } = explain();
    assert.equal(decision.path, 'proxied');
    assert.match(path?.why ?? '', /the setting `inline` is off/);
    assert.equal(path?.change, 'the setting inline: auto');
    const condition = inlineCondition();
    assert.equal(condition?.reason, 'Setting');
    assert.match(condition.message, /goes to the proxy: the setting `inline` is off/);
    assert.match(await scrape(METRICS), /^perigee_inline_off\{reason="Setting"\} 1$/m);
  });
});
