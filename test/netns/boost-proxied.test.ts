// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type BoostCounts, readBoostCounts } from '../../src/datapath/boost/counts.ts';
import { pinLayout } from '../../src/datapath/layout.ts';
import { loadNative } from '../../src/datapath/native.ts';
import { type LabHost, linesOf, listening, until } from '../support/lab.ts';
import { NodeScene } from '../support/node-scene.ts';
import { RULED, serverPolicyYaml, workloadsYaml } from '../support/web-scene.ts';

/** Gives back what it is sent. */
const echo = `require('node:http').createServer((request, response) => request.pipe(response)).listen(${RULED})`;

/** Over one connection: bodies of all sizes, compared; refused requests in between. Argument: the server. */
const client = `
const http = require('node:http'), crypto = require('node:crypto');
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const ask = (path, body) => new Promise((resolve, reject) => {
  const request = http.request({ host: process.argv[1], port: ${RULED}, path, method: 'POST', agent }, (response) => {
    const parts = [];
    response.on('data', (part) => parts.push(part)).on('end', () => resolve([response.statusCode, Buffer.concat(parts)]));
  });
  request.on('error', reject).end(body);
});
(async () => {
  const end = Date.now() + 6000, found = { same: 0, other: 0, refused: 0 };
  for (let turn = 0; Date.now() < end; turn += 1) {
    const body = crypto.randomBytes(1 + (turn * 7919) % 20000);
    const [status, answer] = await ask('/echo', body);
    found[status === 200 && answer.equals(body) ? 'same' : 'other'] += 1;
    if (turn % 1000 === 999 && (await ask('/admin', 'x'))[0] === 403) found.refused += 1;
  }
  console.log(JSON.stringify(found));
  process.exit();
})().catch((error) => { console.log(error.message); process.exit(1); });
`;

describe('boost between applications and the proxy', () => {
  let node: NodeScene;
  let web: LabHost;
  let api: LabHost;

  before(async () => {
    node = new NodeScene('boostp');
    web = node.lab.host('web');
    api = node.lab.host('api');
    node.startIn(api, [process.execPath, '-e', echo]);
    await listening(node.lab, api, RULED);
    ask(web, api);
    node.write('policy.yaml', serverPolicyYaml(api));
    await node.startAgent();
    await node.settled();
  });
  after(() => node.destroy());

  const ask = (...hosts: LabHost[]): void => {
    const label = 'labels: {perigee.dev/boost: enabled, ';
    const yaml = hosts.map((host) => workloadsYaml(host).replace('labels: {', label));
    const rest = [web, api].filter((host) => !hosts.includes(host)).map((host) => workloadsYaml(host));
    node.write('workloads.yaml', [...yaml, ...rest].join('---\n'));
  };
  const counts = (): BoostCounts => {
    const { maps } = pinLayout(node.pinRoot);
    using map = loadNative().BpfMap.openPinned(join(maps, 'boost_counts'));
    return readBoostCounts({ boost_counts: map });
  };
  const talk = async (): Promise<{ entered: number; redirected: number }> => {
    const before = counts();
    const command = node.inside([process.execPath, '-e', client, api.address4]);
    const lines = linesOf(node.lab.start(web, command, { stdio: ['ignore', 'pipe', 'inherit'] }));
    await until('the client to end', () => lines.length > 0, 60_000);
    const found = JSON.parse(lines[0] ?? '') as Record<'same' | 'other' | 'refused', number>;
    assert.equal(found.other, 0);
    assert.ok(found.same > 50 && found.refused > 0, JSON.stringify(found));
    const now = counts();
    return { entered: now.entered - before.entered, redirected: now.redirected - before.redirected };
  };

  test('both legs: each body comes as it was, what policy refuses is refused', async () => {
    const { entered, redirected } = await talk();
    assert.ok(entered >= 2, `${String(entered)} connections entered`);
    assert.ok(redirected > 50);
  });

  test('one leg, of the end that asks for it', async () => {
    ask(api);
    await node.settled(2);
    const { entered, redirected } = await talk();
    assert.ok(entered >= 1, `${String(entered)} connections entered`);
    assert.ok(redirected > 20);
  });

  test('nobody asks: no boost', async () => {
    ask();
    await node.settled(3);
    assert.deepEqual(await talk(), { entered: 0, redirected: 0 });
  });
});
