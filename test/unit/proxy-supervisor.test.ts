// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { pino } from 'pino';
import type { ProxyClient } from '../../src/agent/proxy-client.ts';
import { ProxySupervisor } from '../../src/agent/proxy-supervisor.ts';
import type { Settings } from '../../src/agent/settings.ts';
import { Names } from '../../src/control/compile/names.ts';
import type { ProxyConfig } from '../../src/core/proxy/config.ts';
import type { ProxyStatus } from '../../src/core/proxy/control.ts';
import { until } from '../support/lab.ts';
import { ReconcilerScene, remotes } from '../support/reconciler-scene.ts';

const ended = new AbortController();
after(() => ended.abort());

/** A proxy that survives agents. */
class FakeProxy {
  config: ProxyConfig | undefined;
  isDeaf = false;
  /** They outlive agents, too. */
  readonly #numbers = new Names({ seed: [], next: 0 });

  /** An agent that has just started, and what looks after the proxy for it. */
  async agent(): Promise<{ readonly scene: ReconcilerScene; readonly supervisor: ProxySupervisor }> {
    const scene = new ReconcilerScene(this.#numbers);
    const supervisor = new ProxySupervisor({
      settings: { proxy: 'external', runDirectory: '/nowhere' } as Settings,
      log: pino({ enabled: false }),
      command: [],
      wanted: () => scene.reconciler.push,
      signal: ended.signal,
    });
    const status = (): Promise<ProxyStatus> => {
      const { revision = -1, digest = '' } = this.config ?? {};
      return Promise.resolve({ pid: 1, draining: false, revision, digest, workloads: [] } as never);
    };
    const putConfig: ProxyClient['putConfig'] = ({ config }) => {
      if (this.isDeaf) return Promise.reject(new Error('no answer in time'));
      this.config = config;
      return status();
    };
    Object.assign(supervisor, { client: { status, putConfig } });
    scene.pushConfig = (push) => supervisor.push(push);
    await supervisor.start();
    return { scene, supervisor };
  }

  async comesTo(scene: ReconcilerScene): Promise<void> {
    await until('the proxy has what it should', () => {
      return this.config?.digest === scene.reconciler.push?.config.digest;
    });
  }
}

test('a configuration that was not taken is not held for one that was by its number: the number of an attempt that failed comes again', async () => {
  const proxy = new FakeProxy();
  const { scene, supervisor } = await proxy.agent();
  await scene.reconciler.take(remotes(0, 'one'));
  scene.applyError = new Error('E2BIG');
  await scene.reconciler.take(remotes(0, 'two'));
  scene.applyError = undefined;
  proxy.isDeaf = true;
  await scene.reconciler.take(remotes(0, 'three'));
  assert.equal(proxy.config?.revision, scene.reconciler.push?.config.revision);
  assert.equal(supervisor.isCurrent, false);
  proxy.isDeaf = false;
  await proxy.comesTo(scene);
  assert.equal(supervisor.isCurrent, true);
});

test('nor by the number of an agent that was there before', async () => {
  const proxy = new FakeProxy();
  await (await proxy.agent()).scene.reconciler.take(remotes(0, 'one'));
  const { scene, supervisor } = await proxy.agent();
  proxy.isDeaf = true;
  await scene.reconciler.take(remotes(0, 'two'));
  assert.equal(proxy.config?.revision, scene.reconciler.push?.config.revision);
  assert.equal(supervisor.isCurrent, false);
  proxy.isDeaf = false;
  await proxy.comesTo(scene);
});

test('a proxy that is there before anything is wanted of it is neither behind nor current', async () => {
  const proxy = new FakeProxy();
  const { scene, supervisor } = await proxy.agent();
  assert.equal(supervisor.state().state, 'running');
  assert.equal(supervisor.isCurrent, undefined);
  await scene.reconciler.take(remotes(0));
  assert.equal(supervisor.isCurrent, true);
});

test('a state that tells the proxy nothing new is not sent again', async () => {
  const proxy = new FakeProxy();
  const { scene, supervisor } = await proxy.agent();
  await scene.reconciler.take(remotes(0));
  const sent = proxy.config;
  await scene.reconciler.take(remotes(5));
  assert.equal(scene.reconciler.applied?.revision, 2);
  assert.equal(proxy.config, sent);
  assert.equal(supervisor.isCurrent, true);
});
