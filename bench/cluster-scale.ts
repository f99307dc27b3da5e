// SPDX-License-Identifier: Apache-2.0
// An agent of a large cluster: how long its start takes, how long a change takes until a pod meets it while others
// come and go, its memory, and what it asks of the API server. Needs the cluster of `make cluster-up`.
// usage: cluster-scale.ts, with SIZES=PODSxSERVICESxPOLICIES,… and ROUNDS=… (changes) in the environment
import { mkdirSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ClusterAgent } from '../test/support/cluster-agent.ts';
import {
  apply,
  controlPlane,
  installDefinitions,
  kubeconfig,
  kubectl,
  pod,
  ready,
} from '../test/support/cluster.ts';
import { onlyOne } from '../test/support/only-one.ts';
import { ApiClient } from './api-client.ts';
import { ConnectProbe } from './connect-probe.ts';
import { describeMachine, residentMib } from './machine-use.ts';
import { wholeNumber } from './options.ts';
import { renderScale, type ScaleResults, type ScaleRow, type Times } from './scale-table.ts';
import { type ClusterSize, ScaleWorld } from './scale-world.ts';
import { publishSection } from './section.ts';
import { median, percentile } from './statistics.ts';

const node = 'node1';
const OWN_PODS = 10;
const CHURN_PER_SECOND = 50;
const DEFAULT_SIZES = '500x100x100,5000x1000x1000';
/** A change that takes longer has failed, ms. */
const GIVE_UP_MS = 30_000;
/** What would make or delete pods by itself. */
const CONTROLLERS = ['kube-controller-manager', 'kube-scheduler'];
const DESTINATION = ['192.0.2.7', 9] as const;
const resultsFile = new URL('results/scale.json', import.meta.url);

function readSizes(text = ''): readonly ClusterSize[] {
  return (text === '' ? DEFAULT_SIZES : text).split(',').map((word) => {
    const [, pods, services, policies] = /^(\d+)x(\d+)x(\d+)$/.exec(word) ?? [];
    if (policies === undefined) throw new Error(`SIZES: ${word} is not PODSxSERVICESxPOLICIES`);
    return { pods: Number(pods), services: Number(services), policies: Number(policies) };
  });
}

/** Lists that the API server has had to answer of what an agent reads, whoever asked. */
async function requests(api: ApiClient): Promise<number> {
  const text = await api.send('GET', '/metrics');
  const read =
    /^apiserver_request_total\{.*resource="(?:pods|namespaces|nodes|services|endpointslices|networkpolicies|(?:cluster)?accesspolicies)".*verb="LIST".*\} (\d+)/;
  return text.split('\n').reduce((sum, line) => sum + Number(read.exec(line)?.[1] ?? 0), 0);
}

function timesOf(times: readonly number[]): Times {
  return {
    medianMs: median(times),
    p99Ms: percentile(times, 0.99),
    highMs: Math.max(...times),
    count: times.length,
  };
}

/** The policy of the pod that watches itself. */
const policyPath = (namespace: string): string =>
  `/apis/perigee.dev/v1alpha1/namespaces/${namespace}/accesspolicies/watched`;
const egress = (isAllowed: boolean): object[] =>
  isAllowed ? [{ action: 'Allow', to: [{ cidrs: [`${DESTINATION[0]}/32`], port: 9, protocol: 'UDP' }] }] : [];

function startOwnPods(namespace: string): void {
  const names = Array.from({ length: OWN_PODS }, (_, index) => `own-${String(index)}`);
  const labels = (index: number): Readonly<Record<string, string>> => ({
    app: index === 0 ? 'watched' : `app-${String(index)}`,
  });
  apply(...names.map((name, index) => pod({ namespace, name, node, labels: labels(index) })), {
    apiVersion: 'perigee.dev/v1alpha1',
    kind: 'AccessPolicy',
    metadata: { namespace, name: 'watched' },
    spec: { selector: { matchLabels: { app: 'watched' } }, egress: [] },
  });
  ready(namespace, ...names);
}

/** How long changes took, ms. */
interface Changes {
  /** From before the request. */
  readonly asked: number[];
  /** From the API server's answer, which comes once it has the change to tell. */
  readonly told: number[];
}

async function changes(api: ApiClient, namespace: string, rounds: number): Promise<Changes> {
  const uid = kubectl('-n', namespace, 'get', 'pod', 'own-0', '-o', 'jsonpath={.metadata.uid}');
  const probe = new ConnectProbe(uid, DESTINATION);
  const times: Changes = { asked: [], told: [] };
  try {
    await sleep(500);
    for (let round = 0; round < rounds; round += 1) {
      const isAllowed = round % 2 === 0;
      const seen = probe.becomes(isAllowed ? 'allowed' : 'refused', AbortSignal.timeout(GIVE_UP_MS));
      const sent = Date.now();
      const type = 'application/merge-patch+json';
      await api.send('PATCH', policyPath(namespace), { spec: { egress: egress(isAllowed) } }, { type });
      const told = Date.now();
      const at = await seen;
      if (at === undefined) throw new Error('the pod was judged by the new policy before there was one');
      times.asked.push(at - sent);
      times.told.push(at - told);
      await sleep(100 + Math.random() * 200);
    }
  } finally {
    probe.end();
  }
  return times;
}

async function underChurn(
  api: ApiClient,
  world: ScaleWorld,
  rounds: number,
): Promise<Pick<ScaleRow, 'change' | 'asked' | 'churn' | 'churnRequests'>> {
  const [namespace = ''] = world.namespaces;
  const before = await requests(api);
  const stop = new AbortController();
  const started = performance.now();
  const churning = world.churn(CHURN_PER_SECOND, stop.signal);
  // With connections of its own: it must not wait for those that make and delete pods.
  const patient = new ApiClient(kubeconfig);
  const times = await changes(patient, namespace, rounds).finally(() => stop.abort());
  patient.close();
  const made = await churning;
  const churn = made / ((performance.now() - started) / 1000);
  const after = await requests(api);
  return {
    change: timesOf(times.told),
    asked: timesOf(times.asked),
    churn,
    churnRequests: after - before,
  };
}

async function measure(api: ApiClient, size: ClusterSize, rounds: number): Promise<ScaleRow> {
  const world = new ScaleWorld(api, size);
  const { namespaces } = world;
  const [first = ''] = namespaces;
  const agent = new ClusterAgent(node);
  try {
    // Those of a run before may still be on their way out.
    kubectl('delete', 'namespace', '--ignore-not-found', '--timeout=300s', ...namespaces);
    apply(...namespaces.map((name) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })));
    for (const name of namespaces)
      kubectl('-n', name, 'wait', '--for=create', '--timeout=60s', 'serviceaccount/default');
    startOwnPods(first);
    for (const part of CONTROLLERS) controlPlane('stop', part);
    await world.create();
    console.log('the cluster is there');
    const before = await requests(api);
    await agent.start();
    const { coldStartMs } = agent;
    const after = await requests(api);
    const states = agent.reconciled().length;
    const measured = await underChurn(api, world, rounds);
    const agentMib = residentMib([agent.pid]);
    const lists = after - before;
    const reconciles = agent.reconciled().slice(states);
    const reconcile = timesOf(reconciles.map(({ ms }) => ms));
    return { ...size, ownPods: OWN_PODS, coldStartMs, ...measured, reconcile, agentMib, lists };
  } finally {
    await agent.remove().catch((error: unknown) => console.error(error));
    await world.remove();
    for (const part of CONTROLLERS) controlPlane('start', part);
    kubectl('delete', 'namespace', '--wait=false', '--ignore-not-found', ...namespaces);
  }
}

await onlyOne('scale bench');
const sizes = readSizes(process.env['SIZES']);
const rounds = wholeNumber('ROUNDS', process.env['ROUNDS'], 100, 10_000);
installDefinitions();
const api = new ApiClient(kubeconfig);
const rows: ScaleRow[] = [];
for (const size of sizes) {
  const row = await measure(api, size, rounds);
  console.log(JSON.stringify(row));
  rows.push(row);
}
api.close();
const results: ScaleResults = { machine: describeMachine({}), date: new Date().toISOString(), rows };
mkdirSync(new URL('.', resultsFile), { recursive: true });
writeFileSync(resultsFile, `${JSON.stringify(results, null, 1)}\n`);
publishSection('bench-cluster', renderScale(results));
