// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, before, describe, test } from 'node:test';
import type { RuleSet } from '../../src/core/automaton/rules.ts';
import { KernelScene } from '../support/kernel-scene.ts';
import { type LabHost, listening, until } from '../support/lab.ts';
import { ProxyProcess, row } from '../support/proxy-process.ts';

const rules: RuleSet = [
  { rule: 5, action: 'Allow', matches: [{ path: { type: 'PathPrefix', value: '/ok' } }] },
];

describe('the proxy comes and goes', () => {
  let scene: KernelScene;
  let proxy: ProxyProcess;
  let client: LabHost;
  let server: LabHost;
  let folder: string;

  before(async () => {
    scene = new KernelScene('hand');
    client = scene.lab.host('client');
    server = scene.lab.host('server');
    folder = mkdtempSync(join(tmpdir(), 'perigee-nginx-'));
    writeFileSync(
      join(folder, 'nginx.conf'),
      `daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/log;
       events { worker_connections 4096; }
       http { access_log off; keepalive_requests 100000000; client_body_temp_path ${folder}/b; proxy_temp_path ${folder}/p;
              fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
              server { listen 8080; listen [::]:8080; location / { return 200 "hello\\n"; } } }`,
    );
    scene.lab.start(server, scene.inside(['nginx', '-c', `${folder}/nginx.conf`, '-e', `${folder}/log`]));
    await listening(scene.lab, server, 8080);
    scene.govern([
      { host: client },
      { host: server, ingress: [{ peer: client, port: 8080, action: 'proxy' }] },
    ]);
    proxy = new ProxyProcess(scene);
  });
  after(async () => {
    await proxy.destroy();
    await scene.destroy();
    rmSync(folder, { recursive: true });
  });

  const code = (): string =>
    scene.run(client, [
      ...['curl', '-s', '-m', '5', '-o', '/dev/null', '-w', '%{http_code} %{errormsg}'],
      `http://${server.address4}:8080/ok`,
    ]).stdout;

  /** Runs wrk; its report when it has ended. */
  const load = (seconds: number, ...flags: string[]): Promise<string> => {
    const command = [
      'wrk',
      '-t1',
      '-c16',
      `-d${String(seconds)}s`,
      ...flags,
      `http://${server.address4}:8080/ok`,
    ];
    const child = spawn('nsenter', [`--net=${client.path}`, ...scene.inside(command)]);
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    return new Promise((resolve) => child.once('exit', () => resolve(text)));
  };

  let first: ChildProcess;

  test('a configuration is in force once PUT is answered, and a broken one changes nothing', async () => {
    first = await proxy.start('--drain-ms', '5000');
    const config = proxy.config(
      [client, server],
      [row('ingress', server, client, [8080, 'http', 0])],
      [rules],
    );
    assert.equal((await proxy.put(config)).code, 200);
    assert.match(code(), /^200/);
    const broken = { ...config, verdicts: [{ ...config.verdicts[0], action: 'perhaps' }] };
    const answer = await proxy.put(broken);
    assert.equal(answer.code, 400);
    assert.match(JSON.stringify(answer.body), /ERR_PROXY_CONFIG.*verdicts\.0\.action/);
    const [digest = ''] = proxy.tables.keys();
    const unknown = digest.replaceAll(/./g, 'a');
    const lacking = { ...config, automata: [{ table: unknown, readHeaders: [], defaultDeny: 0 }] };
    const lack = await proxy.ask('PUT', '/v1/config', JSON.stringify(lacking));
    assert.deepEqual([lack.code, lack.text], [409, JSON.stringify({ missing: [unknown] })]);
    const damaged = await proxy.ask('PUT', `/v1/tables/${unknown}`, Buffer.from('nonsense'));
    assert.equal(damaged.code, 400);
    assert.match(damaged.text, /ERR_PROXY_CONFIG.*digest/);
    assert.equal((await proxy.ask('PUT', '/v1/tables/none', Buffer.from('nonsense'))).code, 404);
    assert.match(code(), /^200/);
    assert.equal((await proxy.status()).revision, config.revision);
  });

  test('a workload whose namespace is gone is reported, and the others are served', async () => {
    const config = proxy.config(
      [client, server],
      [row('ingress', server, client, [8080, 'http', 0])],
      [rules],
    );
    const [known] = config.workloads;
    assert.ok(known !== undefined);
    const lost = { ...known, id: 99, name: 'lost', netns: '/var/run/netns/hand-none', netnsCookie: '1' };
    const { code: answer, body } = await proxy.put({ ...config, workloads: [...config.workloads, lost] });
    assert.equal(answer, 200);
    assert.match(body.workloads.find(({ id }) => id === 99)?.error ?? '', /hand-none/);
    assert.deepEqual(
      body.workloads.filter(({ id }) => id !== 99).map(({ error }) => error),
      [undefined, undefined],
    );
    assert.match(code(), /^200/);
    assert.equal((await proxy.put({ ...config, revision: config.revision + 1 })).body.workloads.length, 2);
  });

  for (const [what, flags] of [
    ['keep-alive', []],
    ['short connections', ['-H', 'Connection: close']],
  ] as const) {
    test(`replaced under load (${what}): no request fails, and the old one ends`, async () => {
      const report = load(6, ...flags);
      await new Promise((resolve) => setTimeout(resolve, 1500));
      const old = first;
      first = await proxy.start('--drain-ms', '5000');
      await until('the old proxy to end', () => old.exitCode !== null);
      assert.equal(old.exitCode, 0);
      const text = await report;
      assert.doesNotMatch(text, /Socket errors|Non-2xx/, text);
      assert.match(text, /Requests\/sec:\s+[1-9]/);
      assert.match(code(), /^200/);
    });
  }

  test('without a proxy, governed connections fail at once; with one, from its last state, they work again', async () => {
    const gone = new Promise((resolve) => first.once('exit', resolve));
    // The shell has become the proxy: this is its own process.
    first.kill('SIGKILL');
    await gone;
    assert.match(code(), /^000 .*(refused|not permitted|connect)/i);
    first = await proxy.start();
    assert.match(code(), /^200/);
    assert.equal((await proxy.status()).workloads.length, 2);
  });

  test('SIGTERM drains: the listener closes, an answer under way is finished', async () => {
    const gone = new Promise((resolve) => first.once('exit', resolve));
    first.kill('SIGTERM');
    await gone;
    assert.equal(first.exitCode, 0);
    assert.match(code(), /^000/);
  });

  test('with --stand-by one that was replaced waits until it is told to end', async () => {
    const old = await proxy.start('--stand-by');
    first = await proxy.start();
    await sleep(2500); // another would have ended
    assert.equal(old.exitCode, null);
    const gone = new Promise((resolve) => old.once('exit', resolve));
    old.kill('SIGTERM');
    await gone;
    assert.equal(old.exitCode, 0);
    assert.match(code(), /^200/);
  });

  test('the ready file is there once a configuration is in force', async () => {
    const file = join(folder, 'ready');
    const state = join(folder, 'none.json');
    await proxy.start('--state', state, '--ready-file', file);
    assert.equal(existsSync(file), false);
    assert.equal((await proxy.put(proxy.config([client, server], [], []))).code, 200);
    assert.equal(existsSync(file), true);
  });
});
