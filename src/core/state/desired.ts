// SPDX-License-Identifier: Apache-2.0
import type { Address } from '../identity/address.ts';
import type { Prefix } from '../identity/prefix.ts';

/**
 * What the kernel's maps should hold: the compiler yields it, the datapath reconciles towards it. Numbers are
 * node-local numeric names.
 */
export interface DesiredState {
  readonly workloads: readonly DesiredWorkload[];
  readonly ipcache: readonly DesiredAddress[];
  readonly policy: readonly DesiredPolicy[];
}

export interface DesiredWorkload {
  readonly id: number;
  /** `namespace/name`. */
  readonly key: string;
  readonly identity: number;
  readonly attachment: 'netns' | 'cgroup';
  /** Of the namespace file, or the cgroup's folder below the root of cgroup2. */
  readonly path: string;
  readonly egressSelected: boolean;
  readonly ingressSelected: boolean;
  /** Primary addresses, shown by getsockname of steered sockets. */
  readonly addresses: readonly Address[];
}

export interface DesiredAddress {
  readonly prefix: Prefix;
  readonly identity: number;
  /** 0: not a workload of this node. */
  readonly workload: number;
  /** Of that workload. */
  readonly egressSelected: boolean;
  readonly ingressSelected: boolean;
}

export interface DesiredPolicy {
  readonly workload: number;
  readonly direction: 'egress' | 'ingress';
  /** The peer. */
  readonly identity: number;
  readonly protocol: 'TCP' | 'UDP';
  readonly from: number;
  /** Inclusive. */
  readonly to: number;
  readonly action: 'allow' | 'deny' | 'proxy';
  /** A policy in Audit mode would deny. */
  readonly audit: boolean;
  /** Numeric name of the deciding rule, 0: none. */
  readonly rule: number;
  /** For deny: a rule that denies, or no rule that allows. */
  readonly reason: 'none' | 'policy-denied' | 'policy-no-rule';
}
