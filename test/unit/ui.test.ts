// SPDX-License-Identifier: Apache-2.0
// The page of `perigee ui`: 500 services, hostile text, who gets in.
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, suite, test } from 'node:test';
import { verdict } from '../../src/core/abi/policy.ts';
import { flowPath } from '../../src/core/abi/flow.ts';
import { reason } from '../../src/core/abi/reason.ts';
import { openUi, type UiScene } from '../support/browser.ts';
import { type FakeAgent, startFakeAgent } from '../support/fake-agent.ts';
import { batch, record, workloads } from '../support/flow-records.ts';

const SERVICES = 500;
/** What would run if text were taken for markup. */
const HOSTILE = '/<img src=x onerror=alert(1)>\u001b[31m"\'&amp;</script><script>alert(2)</script>';

/** Wall clock, ns: what the store adds to a record's time is 0 here. */
function now(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}

/** Status of a plain request, without the browser's cookie. */
function get(url: string, headers: Record<string, string> = {}, method = 'GET'): Promise<number> {
  return new Promise((resolve, reject) => {
    request(url, { headers, method }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    })
      .once('error', reject)
      .end();
  });
}

suite('the page', () => {
  let agent: FakeAgent;
  let scene: UiScene;

  before(async () => {
    agent = await startFakeAgent({
      storeBytes: 4_000_000,
      names: {
        workload: (id) => workloads[id] ?? { namespace: 'shop', workload: `service-${String(id)}` },
        identity: () => undefined,
        rule: () => undefined,
      },
    });
    const requests = Array.from({ length: 1500 }, (_, index) =>
      record({
        method: 'GET',
        urlPath: `/${String(index)}`,
        time: now(),
        sourceWorkload: 10 + Math.floor((index % 750) / 3),
        destinationWorkload: 10 + ((index * 7) % SERVICES),
        path: index % 3 === 0 ? flowPath.proxied : flowPath.inline,
        status: index % 97 === 0 ? 503 : 200,
      }),
    );
    const hostile = record({
      method: 'GET',
      urlPath: HOSTILE,
      time: now(),
      verdict: verdict.denied,
      reason: reason['http-denied'],
      status: 403,
    });
    const { bytes, offsets } = batch([...requests, hostile]);
    agent.store.append(bytes, offsets);
    scene = await openUi(agent.socketPath, { colorScheme: 'dark' });
  });
  after(async () => {
    await scene.end();
    await agent.close();
  });

  test('draws 500 services, and the table has every edge', async () => {
    const { page } = scene;
    const map = page.getByRole('group', { name: /^Map of 5\d\d services and 1501 edges/ });
    await map.waitFor();
    const [, services, edges] =
      /^Map of (\d+) services and (\d+) edges/.exec((await map.getAttribute('aria-label')) ?? '') ?? [];
    assert.ok(Number(services) >= SERVICES, `${services ?? 'no'} services`);
    await scene.picture('map-500-dark');
    assert.equal(await page.locator('.node').count(), Number(services));
    await page.getByRole('button', { name: 'Table', exact: true }).click();
    assert.equal(await page.locator('tbody tr').count(), Number(edges));
    await scene.picture('table-dark');
  });

  test('finds one among them, and sorts by what is asked for', async () => {
    const { page } = scene;
    await page.getByRole('button', { name: 'Errors', exact: true }).click();
    assert.match(await page.locator('tbody tr').first().innerText(), /%/);
    await page.getByRole('searchbox').fill('shop/web');
    await page.getByRole('row', { name: /shop\/web shop\/api/ }).waitFor();
    assert.equal(await page.locator('tbody tr').count(), 1);
  });

  test('text that a client sent stays text', async () => {
    const { page } = scene;
    await page.getByRole('button', { name: 'shop/web', exact: true }).click();
    const flow = page.getByRole('complementary').getByRole('row', { name: /img src/ });
    await flow.waitFor();
    assert.ok((await flow.innerText()).includes('<script>alert(2)</script>'));
    assert.equal(await page.locator('img').count(), 0);
    await scene.picture('hostile-dark');
    assert.deepEqual(scene.complaints, []);
  });

  test('everything that can be operated has a name and is reached by keyboard', async () => {
    const { page } = scene;
    await page.getByRole('button', { name: 'Close', exact: true }).click();
    await page.getByRole('button', { name: 'Map', exact: true }).click();
    await page.locator('.edge[role=button]').first().waitFor();
    const nameless: string[] = [];
    for (const one of await page.locator('button, .edge[role=button]').all()) {
      const name = (await one.getAttribute('aria-label')) ?? (await one.textContent()) ?? '';
      if (name.trim() === '') nameless.push(await one.innerHTML());
    }
    for (const label of ['Last', 'Find']) await page.getByLabel(label).waitFor();
    assert.deepEqual(nameless, []);
    const seen = new Set<string>();
    await page.locator('h1').click();
    for (let step = 0; step < 12; step += 1) {
      await page.keyboard.press('Tab');
      const focused = page.locator(':focus');
      if ((await focused.count()) === 0) break; // out of the page
      seen.add((await focused.getAttribute('aria-label')) ?? (await focused.textContent()) ?? '');
    }
    assert.ok(
      [...seen].some((name) => name.startsWith('shop/web to shop/api')),
      [...seen].join(' | '),
    );
  });

  test('nobody gets in without the key, by another name, or to change anything', async () => {
    const { origin, host } = new URL(scene.url);
    for (const path of ['/', '/app.js', '/api/map?window=60', '/api/edge'])
      assert.equal(await get(`${origin}${path}`), 401, path);
    assert.equal(await get(`${origin}/?token=wrong`), 401);
    assert.equal(await get(scene.url), 303);
    assert.equal(await get(scene.url, { host: `evil.example:${host.split(':')[1] ?? ''}` }), 421);
    const cookie = `perigee-ui=${new URL(scene.url).searchParams.get('token') ?? ''}`;
    assert.equal(await get(`${origin}/api/map`, { cookie }), 200);
    assert.equal(await get(`${origin}/api/map`, { cookie }, 'POST'), 405);
    assert.equal(await get(`${origin}/../../etc/passwd`, { cookie }), 404);
  });
});
