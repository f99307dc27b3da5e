// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiFailure, type ApiObject, type KubernetesWriter } from './api.ts';

export interface LeaseOptions {
  readonly api: Pick<KubernetesWriter, 'read' | 'create' | 'replace'>;
  readonly namespace: string;
  readonly name: string;
  /** Unique among those who want it. */
  readonly holder: string;
  /** It was won or lost. */
  readonly onChange: (isHeld: boolean) => void;
  readonly onFailure: (error: unknown) => void;
  readonly signal: AbortSignal;
}

interface LeaseSpec {
  readonly holderIdentity?: string;
  readonly leaseDurationSeconds?: number;
  readonly renewTime?: string;
  readonly acquireTime?: string;
  readonly leaseTransitions?: number;
}

/** As Kubernetes' own components have it: held for 15 s, given up by oneself after 10, looked at every 2. */
const LEASE_SECONDS = 15;
const GIVE_UP_MS = 10_000;
const LOOK_MS = 2000;

/**
 * One of several processes holds a Lease. Clocks of different machines are not compared: another's lease has run out when
 * it has not changed for as long as it lasts, by our own clock.
 */
export class Lease {
  readonly #options: LeaseOptions;
  readonly #path: string;
  #heldUntil = 0;
  #isHeld = false;
  /** What was seen last of another's lease, and since when it is the same. */
  #seen = { text: '', since: 0 };

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#path = `/apis/coordination.k8s.io/v1/namespaces/${options.namespace}/leases`;
  }

  /** Whether it may be acted upon. */
  get isHeld(): boolean {
    return this.#isHeld && performance.now() < this.#heldUntil;
  }

  /** Until the signal; then it is given back, so that the next needn't wait. */
  async run(): Promise<void> {
    const { signal, onFailure } = this.#options;
    while (!signal.aborted) {
      try {
        await this.#look(signal);
      } catch (error) {
        if (!(error instanceof ApiFailure && error.status === 409)) onFailure(error);
        if (performance.now() >= this.#heldUntil) this.#set(false);
      }
      await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined);
    }
    if (this.isHeld) await this.#release().catch(onFailure);
    this.#set(false);
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { api, name, namespace, holder } = this.#options;
    const asked = performance.now();
    const found = await api.read(`${this.#path}/${name}`, signal);
    const spec = (found?.spec ?? {}) as LeaseSpec;
    const { holderIdentity = '', leaseTransitions = 0, acquireTime } = spec;
    const isOurs = holderIdentity === holder;
    if (!isOurs && holderIdentity !== '' && !this.#hasRunOut(spec)) {
      this.#set(false);
      return;
    }
    const now = new Date().toISOString().replace('Z', '000Z');
    const next: LeaseSpec = {
      holderIdentity: holder,
      leaseDurationSeconds: LEASE_SECONDS,
      renewTime: now,
      acquireTime: isOurs ? (acquireTime ?? now) : now,
      leaseTransitions: isOurs ? leaseTransitions : leaseTransitions + 1,
    };
    const head = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease' };
    if (found === undefined)
      await api.create(this.#path, { ...head, metadata: { namespace, name }, spec: next }, signal);
    else await api.replace(`${this.#path}/${name}`, { ...found, spec: next }, signal);
    this.#heldUntil = asked + GIVE_UP_MS;
    this.#set(true);
  }

  #hasRunOut({ holderIdentity, renewTime, leaseDurationSeconds = LEASE_SECONDS }: LeaseSpec): boolean {
    const text = `${holderIdentity ?? ''} ${renewTime ?? ''}`;
    if (text !== this.#seen.text) this.#seen = { text, since: performance.now() };
    return performance.now() - this.#seen.since >= leaseDurationSeconds * 1000;
  }

  async #release(): Promise<void> {
    const { api, name, holder } = this.#options;
    const signal = AbortSignal.timeout(LOOK_MS);
    const path = `${this.#path}/${name}`;
    const found: ApiObject | undefined = await api.read(path, signal);
    if (found === undefined) return;
    const spec = found.spec as LeaseSpec;
    if (spec.holderIdentity === holder)
      await api.replace(path, { ...found, spec: { ...spec, holderIdentity: '' } }, signal);
  }

  #set(isHeld: boolean): void {
    if (this.#isHeld === isHeld) return;
    this.#isHeld = isHeld;
    this.#options.onChange(isHeld);
  }
}
