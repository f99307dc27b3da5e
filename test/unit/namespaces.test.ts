// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ListenerSet, NetnsListeners } from '../../src/proxy/listener-set.ts';
import { Namespaces } from '../../src/proxy/namespaces.ts';
import type { Publisher } from '../../src/proxy/publisher.ts';
import type { WorkerPool } from '../../src/proxy/worker-pool.ts';

const workload = { id: 1, identity: 2, namespace: 'n', name: 'w', netns: '/ns', netnsCookie: '77' };
const four = (port: number) => ({ fd: port, port, family: 4 }) as const;
const six = (port: number) => ({ fd: port + 1, port, family: 6 }) as const;

/** A namespace of which IPv6 is up or not, and everything around it. */
class Scene {
  hasIpv6 = false;
  /** What `complete` meets. */
  fault: Error | undefined;
  tries = 0;
  readonly told: string[] = [];
  readonly warnings: string[] = [];
  readonly closed: number[] = [];
  inUse: number[] = [];
  failsToTell = false;
  readonly namespaces: Namespaces;
  readonly publisher = { withdraw: () => this.told.push('withdraw') } as unknown as Publisher;

  constructor() {
    const listeners: Partial<ListenerSet> = {
      open: (wanted) => ({
        workload: wanted,
        netnsFd: 5,
        netnsCookie: 77n,
        outbound: [four(10)],
        inbound: [four(20)],
      }),
      isPartial: ({ outbound }: NetnsListeners) => outbound.length < 2,
      complete: (open) => {
        this.tries++;
        if (this.fault !== undefined) throw this.fault;
        if (!this.hasIpv6) return undefined;
        return { ...open, outbound: [four(10), six(10)], inbound: [four(20), six(20)] };
      },
      publish: () => void this.told.push('publish'),
      close: ({ outbound }) => void this.closed.push(...outbound.map(({ fd }) => fd)),
      closeNetns: (fd) => void this.closed.push(fd),
    };
    const workers = {
      tell: ({ kind, fd }: { kind: string; fd: number }) => {
        this.told.push(`${kind} ${fd}`);
        return this.failsToTell ? Promise.reject(new Error('no worker')) : Promise.resolve();
      },
      scrape: () => Promise.resolve([{ netnsInUse: this.inUse }]),
    };
    this.namespaces = new Namespaces({
      listeners: listeners as ListenerSet,
      workers: workers as unknown as WorkerPool,
      log: { info: () => {}, warn: (_fields, message) => void this.warnings.push(message) },
      sleep: () => Promise.resolve(),
    });
  }

  async update(...workloads: (typeof workload)[]): Promise<void> {
    await this.namespaces.update(workloads, this.publisher);
  }

  async tend(rounds: number): Promise<void> {
    for (let i = 0; i < rounds; i++) await this.namespaces.tend();
  }

  get error(): string | undefined {
    return this.namespaces.statusOf(workload).error;
  }
}

describe('the namespaces that the proxy listens in', () => {
  test('a family that comes later is listened for, and everyone is told', async () => {
    const scene = new Scene();
    await scene.update(workload);
    scene.told.length = 0;
    scene.hasIpv6 = true;
    await scene.tend(3);
    assert.deepEqual(scene.told, ['listen 10', 'listen 11', 'listen 20', 'listen 21', 'publish']);
    const { tries } = scene;
    await scene.tend(100);
    assert.equal(scene.tries, tries);
  });

  test('a family that does not come is tried less and less often', async () => {
    const scene = new Scene();
    await scene.update(workload);
    await scene.tend(100);
    assert.ok(scene.tries < 12, `${scene.tries} tries`);
    scene.hasIpv6 = true;
    await scene.tend(30);
    assert.ok(scene.told.includes('listen 11'));
  });

  test('why a listener is missing is told once, and stays in the status until it is there', async () => {
    const scene = new Scene();
    scene.fault = new Error('too many');
    await scene.update(workload);
    for (let i = 0; i < 50; i++) {
      await scene.tend(1);
      assert.equal(scene.error, 'too many');
    }
    assert.ok(scene.tries > 2);
    assert.equal(scene.warnings.length, 1);
    scene.fault = undefined;
    scene.hasIpv6 = true;
    await scene.tend(30);
    assert.equal(scene.error, undefined);
  });

  test('one that is gone is closed, its namespace when no connection needs it', async () => {
    const scene = new Scene();
    await scene.update(workload);
    scene.inUse = [5];
    await scene.update();
    await scene.tend(2);
    assert.deepEqual(scene.closed, [10]);
    assert.ok(scene.told.includes('unlisten 10') && scene.told.includes('withdraw'));
    scene.inUse = [];
    await scene.tend(1);
    assert.deepEqual(scene.closed, [10, 5]);
  });

  test('what comes behind the end opens nothing', async () => {
    const scene = new Scene();
    await scene.update(workload);
    await scene.namespaces.end();
    scene.told.length = 0;
    await scene.update(workload, { ...workload, netns: '/other' });
    await scene.tend(2);
    assert.deepEqual(scene.told, []);
  });

  test('a worker that fails while one is closed is a warning, and it is closed', async () => {
    const scene = new Scene();
    await scene.update(workload);
    scene.failsToTell = true;
    await scene.update();
    await scene.tend(2);
    assert.deepEqual(scene.closed, [10, 5]);
    assert.equal(scene.warnings.length, 1);
  });
});
