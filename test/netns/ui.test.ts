// SPDX-License-Identifier: Apache-2.0
// The map of a real node under traffic, in a real browser.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openUi, type UiScene } from '../support/browser.ts';
import { type LabHost, until } from '../support/lab.ts';
import { NodeScene } from '../support/node-scene.ts';
import { PLAIN, RULED, serverPolicyYaml, startNginx, workloadsYaml } from '../support/web-scene.ts';

describe('the page of a node', () => {
  let node: NodeScene;
  let scene: UiScene;
  let api: LabHost;
  let web: LabHost;

  before(async () => {
    node = new NodeScene('ui', { inline: 'auto' });
    api = node.lab.host('api');
    web = node.lab.host('web');
    await startNginx(node, api);
    node.write('workloads.yaml', workloadsYaml(api, web));
    node.write('policy.yaml', serverPolicyYaml(api));
    await node.startAgent();
    await node.settled();
    const url = `http://${api.address4}:${String(RULED)}`;
    // Before the page is there: it knows what the agent has stored.
    for (let index = 0; index < 20; index += 1) node.curl(web, `${url}/orders/${String(index)}`);
    node.curl(web, `${url}/admin/keys`);
    node.curl(web, `http://${api.address4}:${String(PLAIN)}/`);
    scene = await openUi(node.socket);
  });
  after(async () => {
    await scene.end();
    await node.destroy();
  });

  test('shows who talks to whom, what is refused, and on which path', async () => {
    const edge = scene.page.getByRole('button', { name: /^shop\/web to shop\/api/ });
    await edge.waitFor();
    const text = (await edge.getAttribute('aria-label')) ?? '';
    assert.match(text, /requests a second, .*1 refused, 99 of 100 within .*direct, inline$/);
    await scene.picture('map-light');
  });

  test('an edge that is chosen by keyboard shows its rules and flows; Escape closes it', async () => {
    const { page } = scene;
    const edge = page.getByRole('button', { name: /^shop\/web to shop\/api/ });
    await edge.focus();
    await page.keyboard.press('Enter');
    const detail = page.getByRole('complementary', { name: 'shop/web to shop/api' });
    await detail.getByText('GET /admin/keys 403').waitFor();
    await detail.getByText(/shop\/api \/ not-the-admin-pages \(ingress, denied, 1\)/).waitFor();
    assert.match(await detail.innerText(), /policy\.yaml:\d+/);
    assert.match(await detail.innerText(), /closed by (client|server)/);
    await scene.picture('edge');
    await page.keyboard.press('Escape');
    await detail.waitFor({ state: 'detached' });
  });

  test('what is refused stands with its reason, its rule and what to do', async () => {
    const { page } = scene;
    await page.getByRole('button', { name: 'Refused (1)' }).click();
    const row = page.getByRole('row', { name: /shop\/web/ });
    const text = await row.innerText();
    assert.match(text, /http-denied/);
    assert.match(text, /shop\/api \/ not-the-admin-pages/);
    await scene.picture('refused');
    await page.getByRole('button', { name: 'Map', exact: true }).click();
  });

  test('new traffic comes by itself, and another time shows other rates', async () => {
    const { page } = scene;
    await page.getByLabel('Last').selectOption('10');
    await until('the new requests', async () => {
      for (let index = 0; index < 20; index += 1)
        node.curl(web, `http://${api.address4}:${String(RULED)}/again`);
      const label = await page.getByRole('button', { name: /^shop\/web to/ }).getAttribute('aria-label');
      return /^shop\/web to shop\/api, [1-9]\d*(\.\d)? requests a second/.test(label ?? '');
    });
  });

  test('an agent that is away is said so, and found again', async () => {
    const { page } = scene;
    await node.killAgent('SIGKILL');
    await page.getByRole('alert').filter({ hasText: 'agent' }).waitFor();
    await node.startAgent();
    await page.getByRole('alert').waitFor({ state: 'detached' });
  });

  test('the page complains about nothing', () => {
    assert.deepEqual(scene.complaints, []);
  });
});
