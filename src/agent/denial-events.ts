// SPDX-License-Identifier: Apache-2.0
import { reasonNames } from '../core/abi/reason.ts';
import type { KubernetesWriter } from '../control/source/kubernetes/api.ts';
import { formatRuleRef, type RuleRef } from '../core/policy/rule-ref.ts';
import type { DenialMeter, Denials } from '../observability/denial-meter.ts';
import type { FlowNames } from '../observability/flow-names.ts';
import { type EventObject, EventWriter, type EventWriterOptions } from './event-writer.ts';

export interface DenialEventsOptions extends EventWriterOptions {
  readonly api: Pick<KubernetesWriter, 'create' | 'read'>;
  readonly meter: Pick<DenialMeter, 'take'>;
  readonly names: Pick<FlowNames, 'identity' | 'workload'>;
  readonly ruleOf: (id: number) => RuleRef | undefined;
}

/** The same of the same object, ms. */
const REPEAT_MS = 10 * 60_000;
/** Objects that wait to be told of. */
const MAX_WAITING = 1024;
/** Peers that an Event names. */
const NAMED = 3;

/** Where the API has the objects that Events are about. */
const places: Readonly<Record<string, readonly [group: string, plural: string]>> = {
  Pod: ['v1', 'pods'],
  NetworkPolicy: ['networking.k8s.io/v1', 'networkpolicies'],
  AccessPolicy: ['perigee.dev/v1alpha1', 'accesspolicies'],
  ClusterAccessPolicy: ['perigee.dev/v1alpha1', 'clusteraccesspolicies'],
};

/** What is to be said of one object. */
interface Summary {
  readonly about: EventObject;
  readonly say: (count: string, peers: string) => string;
  readonly peers: Map<string, number>;
}

/** Sums up in Events of the cluster what policy refuses: of the pod whose side refuses, and of the policy. */
export class DenialEvents {
  readonly #options: DenialEventsOptions;
  readonly #writer: EventWriter;
  readonly #now: () => number;
  readonly #waiting = new Map<string, Summary>();
  readonly #saidAt = new Map<string, number>();

  constructor(options: DenialEventsOptions) {
    this.#options = options;
    this.#writer = new EventWriter(options);
    this.#now = options.now ?? (() => performance.now());
  }

  /** Call it now and then. Resolves when what was due is said. */
  async report(): Promise<void> {
    for (const denials of this.#options.meter.take()) this.#add(denials);
    const now = this.#now();
    for (const [key, at] of this.#saidAt) if (now - at >= REPEAT_MS) this.#saidAt.delete(key);
    for (const [key, summary] of this.#waiting) {
      if (this.#saidAt.has(key)) continue;
      if (!this.#writer.take()) return;
      this.#waiting.delete(key);
      this.#saidAt.set(key, now);
      await this.#say(summary);
    }
  }

  #add({ workload, isIngress, rule, reason, peerWorkload, peerIdentity, count }: Denials): void {
    const { names, ruleOf } = this.#options;
    const ref = ruleOf(rule);
    const peer = this.#peer(peerWorkload, peerIdentity);
    const { namespace = '', workload: pod } = names.workload(workload) ?? {};
    if (pod !== undefined) {
      const why = ref === undefined ? (reasonNames[reason] ?? 'unknown') : formatRuleRef(ref);
      const about = objectOf('Pod', namespace, pod);
      const way = isIngress ? 'to this pod, from' : 'of this pod, to';
      this.#count(`${about.namespace ?? ''}/${about.name} ${why} ${way}`, peer, count, {
        about,
        say: (times, peers) => `Perigee refused ${times} ${way} ${peers} (${why})`,
      });
    }
    if (ref === undefined) return;
    const about = policyOf(ref);
    const own = pod === undefined ? peer : `${namespace}/${pod}`;
    this.#count(`${ref.kind} ${ref.namespace}/${ref.name}`, own, count, {
      about,
      say: (times, peers) => `Perigee refused ${times} by this policy, at ${peers}`,
    });
  }

  #count(key: string, peer: string, count: number, fresh: Omit<Summary, 'peers'>): void {
    const known = this.#waiting.get(key);
    if (known === undefined && this.#waiting.size >= MAX_WAITING) return;
    const summary = known ?? { ...fresh, peers: new Map<string, number>() };
    this.#waiting.set(key, summary);
    summary.peers.set(peer, (summary.peers.get(peer) ?? 0) + count);
  }

  #peer(workload: number, identity: number): string {
    const { names } = this.#options;
    const peer = { ...names.identity(identity), ...names.workload(workload) };
    if (peer.workload !== undefined) return `${peer.namespace ?? ''}/${peer.workload}`;
    return peer.entity ?? (peer.namespace === undefined ? 'World' : `namespace ${peer.namespace}`);
  }

  async #say({ about, say, peers }: Summary): Promise<void> {
    const { api, signal } = this.#options;
    const sorted = [...peers].toSorted(([, a], [, b]) => b - a);
    const total = sorted.reduce((sum, [, count]) => sum + count, 0);
    const named = sorted.slice(0, NAMED).map(([peer, count]) => `${peer} (${String(count)})`);
    const more = sorted.length > NAMED ? [`${String(sorted.length - NAMED)} more`] : [];
    const times = total === 1 ? 'a connection or request' : `${String(total)} connections or requests`;
    // Without its uid an Event is not among those that `kubectl describe` shows.
    const found = await api.read(pathOf(about), signal).catch(() => undefined);
    const uid = found?.metadata.uid;
    const whole = { ...about, ...(uid === undefined ? {} : { uid }) };
    await this.#writer.write(whole, 'Refused', say(times, [...named, ...more].join(', ')));
  }
}

function objectOf(kind: string, namespace: string, name: string): EventObject {
  const [apiVersion = 'v1'] = places[kind] ?? [];
  return { apiVersion, kind, ...(namespace === '' ? {} : { namespace }), name };
}

function policyOf({ kind, namespace, name }: RuleRef): EventObject {
  return objectOf(kind, namespace, name);
}

function pathOf({ apiVersion, kind, namespace, name }: EventObject): string {
  const [, plural = ''] = places[kind] ?? [];
  const root = apiVersion === 'v1' ? '/api/v1' : `/apis/${apiVersion}`;
  return `${root}${namespace === undefined ? '' : `/namespaces/${namespace}`}/${plural}/${name}`;
}
