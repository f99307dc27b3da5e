// SPDX-License-Identifier: Apache-2.0
// The controller: what it writes into the status of policies, and that of several one works at a time.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { after, before, test } from 'node:test';
import { STARTUP_TAINT } from '../../src/controller/startup-taint.ts';
import { perigeeCommand } from '../support/agent-process.ts';
import { apply, freshNamespace, installDefinitions, kubeconfig, kubectl } from '../support/cluster.ts';
import { until } from '../support/lab.ts';

const namespace = 'test-controller';
const running: Record<string, ChildProcess | undefined> = {};

function start(identity: string): void {
  const args = ['controller', '--kubeconfig', kubeconfig, '--namespace', namespace, '--identity', identity];
  running[identity] = spawn(perigeeCommand, args, { stdio: ['ignore', 'ignore', 'inherit'] });
}

async function end(identity: string, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  const child = running[identity];
  running[identity] = undefined;
  if (child?.exitCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await gone;
}

const policy = (name: string, spec: object): object => ({
  apiVersion: 'perigee.dev/v1alpha1',
  kind: 'AccessPolicy',
  metadata: { namespace, name },
  spec,
});
// The API server can't check that an exception lies inside of what it narrows.
const unreadable = {
  ingress: [
    { action: 'Allow', from: [{ cidrs: ['10.0.0.0/8'], except: ['192.168.0.0/16'] }] },
    { action: 'Allow', to: [{ port: 80 }] },
  ],
};

interface Accepted {
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration: number;
  readonly lastTransitionTime: string;
}

function accepted(name: string): Accepted | undefined {
  const path = 'jsonpath={.status.conditions[?(@.type=="Accepted")]}';
  const text = kubectl('-n', namespace, 'get', 'apol', name, '-o', path);
  return text === '' ? undefined : (JSON.parse(text) as Accepted);
}

const holder = (): string =>
  kubectl(
    '-n',
    namespace,
    'get',
    'lease',
    'perigee-controller',
    '--ignore-not-found',
    '-o',
    'jsonpath={.spec.holderIdentity}',
  );

before(() => {
  installDefinitions();
  freshNamespace(namespace);
});
after(async () => {
  for (const identity of Object.keys(running)) await end(identity, 'SIGTERM');
  kubectl('delete', 'namespace', namespace, '--wait=false');
});

test('a policy that can be read is accepted', async () => {
  apply(policy('good', { ingress: [] }));
  start('one');
  await until('the status', () => accepted('good') !== undefined);
  const { status, reason, observedGeneration } = accepted('good') ?? assert.fail();
  assert.deepEqual([status, reason, observedGeneration], ['True', 'Accepted', 1]);
  assert.equal(holder(), 'one');
});

test('what the API server can’t check is said in the status, by field and with what is done instead', async () => {
  apply(policy('bad', unreadable));
  await until('the status', () => accepted('bad') !== undefined);
  const { status, reason, message } = accepted('bad') ?? assert.fail();
  assert.deepEqual([status, reason], ['False', 'PartlyUnreadable']);
  assert.match(
    message,
    /in force without these rules.*spec\.ingress\[0\]\.from\[0\]\.except\[0\] is not inside 10\.0\.0\.0\/8/,
  );
});

test('a policy that is mended is accepted, and one that was accepted keeps the time of that', async () => {
  apply(policy('bad', { ingress: [] }));
  await until('the status', () => accepted('bad')?.status === 'True');
  const before = accepted('good')?.lastTransitionTime;
  apply(policy('good', { ingress: [{ action: 'Allow' }] }));
  await until('its generation', () => accepted('good')?.observedGeneration === 2);
  assert.equal(accepted('good')?.lastTransitionTime, before);
});

test('a status that somebody else has written over is written again', async () => {
  const conditions = [{ ...accepted('good'), reason: 'Because' }];
  const patch = JSON.stringify({ status: { conditions } });
  kubectl('-n', namespace, 'patch', 'apol', 'good', '--subresource=status', '--type=merge', '-p', patch);
  await until('the status', () => accepted('good')?.reason === 'Accepted');
});

test('a node whose agent is not ready keeps the start-up taint', async () => {
  kubectl('taint', 'nodes', 'node2', `${STARTUP_TAINT}=:NoSchedule`, '--overwrite');
  try {
    // It sees the node before it sees this.
    apply(policy('after-the-taint', { ingress: [] }));
    await until('the status', () => accepted('after-the-taint') !== undefined);
    assert.match(kubectl('get', 'node', 'node2', '-o', 'jsonpath={.spec.taints}'), /agent-not-ready/);
  } finally {
    kubectl('taint', 'nodes', 'node2', `${STARTUP_TAINT}-`);
  }
});

test('a controller that ends gives its work to the next at once, one that is killed after the lease', async () => {
  start('two');
  await end('one', 'SIGTERM');
  await until('the second', () => holder() === 'two');
  apply(policy('later', unreadable));
  await until('its status', () => accepted('later')?.status === 'False');
  start('three');
  await end('two', 'SIGKILL');
  assert.equal(holder(), 'two');
  await until('the third', () => holder() === 'three', 60_000);
  apply(policy('last', { ingress: [] }));
  await until('its status', () => accepted('last')?.status === 'True');
});
