// SPDX-License-Identifier: Apache-2.0
import type { Identity } from '../identity/identity.ts';

/** A network namespace of its own, or a cgroup within the host's namespace. */
export type LocalAttachment =
  | { readonly type: 'netns'; /** Absolute path of the namespace file. */ readonly path: string }
  | {
      readonly type: 'cgroup';
      /** Path below the root of cgroup2, without a leading slash. */ readonly path: string;
    };

/** Where a workload lives: on this host, or on another. */
export type Attachment = LocalAttachment | { readonly type: 'remote' };

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
  /** TCP ports that the workload's own node probes. */
  readonly probes: readonly number[];
  /** Canonical text, those of the resource and those found in its network namespace; the first is the primary. */
  readonly addresses: readonly string[];
}

export function workloadKey(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

/** Asks that messages within the node pass TCP by where that is safe: `enabled`, or anything else for no. */
export const BOOST_LABEL = 'perigee.dev/boost';

export function asksForBoost({ labels, attachment }: Workload): boolean {
  return labels[BOOST_LABEL] === 'enabled' && attachment.type === 'netns';
}

/** Asks that HTTP requests to the workload are seen in flows and metrics where no rule reads them. */
export const VISIBILITY_LABEL = 'perigee.dev/visibility';

/** The TCP ports whose requests are to be seen: those that it declares, or all; undefined: it doesn't ask. */
export function visiblePorts({ labels, attachment, ports }: Workload): readonly number[] | 'all' | undefined {
  if (labels[VISIBILITY_LABEL] !== 'enabled' || attachment.type !== 'netns') return undefined;
  const declared = ports.filter(({ protocol }) => protocol === 'TCP').map(({ port }) => port);
  return declared.length === 0 ? 'all' : [...new Set(declared)].sort((a, b) => a - b);
}

/**
 * A cgroup shares the host's addresses, so only its egress can be told apart and governed. What lives on another host is
 * governed there.
 */
export function governs({ attachment: { type } }: Workload, direction: 'ingress' | 'egress'): boolean {
  return type === 'netns' || (type === 'cgroup' && direction === 'egress');
}

/** What this host governs, as against what it only knows. */
export interface LocalWorkload extends Workload {
  readonly attachment: LocalAttachment;
}

export function isLocal(workload: Workload): workload is LocalWorkload {
  return workload.attachment.type !== 'remote';
}
