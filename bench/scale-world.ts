// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';
import { type ApiClient, forEach } from './api-client.ts';

/** How large a cluster is. */
export interface ClusterSize {
  readonly pods: number;
  readonly services: number;
  readonly policies: number;
}

const PREFIX = 'bench-scale';
const PODS_PER_NAMESPACE = 100;
/** Kinds of application in a namespace. */
const APPS = 10;
const STATUS = { type: 'application/merge-patch+json', fine: [404] } as const;
/** Nobody waits for a pod that no kubelet knows. */
const AT_ONCE = { gracePeriodSeconds: 0 } as const;

/** Pods that no kubelet runs, on nodes that there are not, with the services and policies of a cluster of that size. */
export class ScaleWorld {
  readonly #api: ApiClient;
  readonly #size: ClusterSize;
  /** Of the oldest pod that is there, and of the next one. */
  #oldest = 0;
  #next = 0;

  constructor(api: ApiClient, size: ClusterSize) {
    this.#api = api;
    this.#size = size;
  }

  get namespaces(): readonly string[] {
    const count = Math.ceil(this.#size.pods / PODS_PER_NAMESPACE);
    return Array.from({ length: count }, (_, index) => `${PREFIX}-${String(index)}`);
  }

  /** Their namespaces must be there, with the service account that a pod needs. */
  async create(): Promise<void> {
    const { pods, services, policies } = this.#size;
    await forEach([...Array(services).keys()], (index) => this.#service(index));
    await forEach([...Array(policies).keys()], (index) => this.#policy(index));
    await forEach([...Array(pods).keys()], () => this.#addPod());
  }

  /** So many pods made and as many deleted each second, until the signal. @returns how many were made */
  async churn(perSecond: number, signal: AbortSignal): Promise<number> {
    const started = performance.now();
    let made = 0;
    const running = new Set<Promise<unknown>>();
    while (!signal.aborted) {
      const due = ((performance.now() - started) / 1000) * perSecond;
      for (; made < due; made += 1) {
        const turn = Promise.all([this.#addPod(), this.#removePod()]);
        running.add(turn);
        void turn.finally(() => running.delete(turn));
      }
      await sleep(10);
    }
    await Promise.all(running);
    return made;
  }

  async remove(): Promise<void> {
    const { namespaces } = this;
    const all = '/api/v1/namespaces';
    await forEach(namespaces, (name) => this.#api.send('DELETE', `${all}/${name}/pods`, AT_ONCE));
  }

  #namespaceOf(index: number): string {
    return `${PREFIX}-${String(index % this.namespaces.length)}`;
  }

  async #addPod(): Promise<void> {
    const index = this.#next++;
    const namespace = this.#namespaceOf(index);
    const name = `pod-${String(index)}`;
    const path = `/api/v1/namespaces/${namespace}/pods`;
    const app = `app-${String(Math.floor(index / this.namespaces.length) % APPS)}`;
    await this.#api.send('POST', path, {
      metadata: { name, labels: { app, 'pod-template-hash': '5d8f6c7b9' } },
      spec: {
        nodeName: `simulated-${String(index % 50)}`,
        automountServiceAccountToken: false,
        containers: [{ name: 'main', image: 'none', ports: [{ name: 'http', containerPort: 8080 }] }],
      },
    });
    const podIP = `10.${String(64 + ((index >> 16) & 63))}.${String((index >> 8) & 255)}.${String(index & 255)}`;
    const status = { phase: 'Running', podIP, podIPs: [{ ip: podIP }] };
    await this.#api.send('PATCH', `${path}/${name}/status`, { status }, STATUS);
  }

  async #removePod(): Promise<void> {
    const index = this.#oldest++;
    const path = `/api/v1/namespaces/${this.#namespaceOf(index)}/pods/pod-${String(index)}`;
    await this.#api.send('DELETE', path, AT_ONCE, { fine: [404] });
  }

  async #service(index: number): Promise<void> {
    const namespace = this.#namespaceOf(index);
    const name = `service-${String(index)}`;
    const selector = { app: `app-${String(index % APPS)}` };
    const spec = { selector, ports: [{ port: 80, targetPort: 'http' }] };
    await this.#api.send('POST', `/api/v1/namespaces/${namespace}/services`, { metadata: { name }, spec });
    // In place of the controller, which is stopped.
    const address = `10.64.${String((index >> 8) & 255)}.${String(index & 255)}`;
    await this.#api.send('POST', `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`, {
      metadata: { name: `${name}-a`, labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      endpoints: [{ addresses: [address], conditions: { ready: true } }],
      ports: [{ name: '', port: 8080, protocol: 'TCP' }],
    });
  }

  /** Ingress from a neighbour and from another namespace, egress to the same and to a block; requests in a third. */
  async #policy(index: number): Promise<void> {
    const namespace = this.#namespaceOf(index);
    const turn = Math.floor(index / this.namespaces.length);
    const labelled = (offset: number): object => ({
      podSelector: { matchLabels: { app: `app-${String((turn + offset) % APPS)}` } },
    });
    const elsewhere = {
      ...labelled(2),
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': this.#namespaceOf(index + 1) } },
    };
    const http = [{ methods: ['GET'], path: { type: 'PathPrefix', value: `/items/${String(index)}` } }];
    await this.#api.send('POST', `/apis/perigee.dev/v1alpha1/namespaces/${namespace}/accesspolicies`, {
      apiVersion: 'perigee.dev/v1alpha1',
      kind: 'AccessPolicy',
      metadata: { name: `policy-${String(index)}` },
      spec: {
        selector: { matchLabels: { app: `app-${String(turn % APPS)}` } },
        ingress: [
          {
            action: 'Allow',
            from: [labelled(1), elsewhere],
            to: [{ port: 8080 }],
            ...(index % 3 === 0 ? { http } : {}),
          },
        ],
        egress: [
          { action: 'Allow', to: [labelled(3), { cidrs: [`10.${String(index % 200)}.0.0/16`], port: 443 }] },
        ],
      },
    });
  }
}
