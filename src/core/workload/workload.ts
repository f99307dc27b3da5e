// SPDX-License-Identifier: Apache-2.0
import type { Identity } from '../identity/identity.ts';

/** Where a workload lives: a network namespace of its own, or a cgroup within the host's namespace. */
export type Attachment =
  | { readonly type: 'netns'; /** Absolute path of the namespace file. */ readonly path: string }
  | {
      readonly type: 'cgroup';
      /** Path below the root of cgroup2, without a leading slash. */ readonly path: string;
    };

export type Protocol = 'TCP' | 'UDP';

/** A port that NetworkPolicy and AccessPolicy may name. */
export interface NamedPort {
  readonly name: string;
  readonly port: number;
  readonly protocol: Protocol;
}

/** A governed program: what policies select and protect. */
export interface Workload {
  /** `namespace/name`, unique in a world. */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  readonly identity: Identity;
  readonly attachment: Attachment;
  readonly ports: readonly NamedPort[];
  /** Canonical text, those of the resource and those found in its network namespace; the first is the primary. */
  readonly addresses: readonly string[];
}

export function workloadKey(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

/** A cgroup shares the host's addresses, so only its egress can be told apart and governed. */
export function governs(workload: Workload, direction: 'ingress' | 'egress'): boolean {
  return workload.attachment.type === 'netns' || direction === 'egress';
}
