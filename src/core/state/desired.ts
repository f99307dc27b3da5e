// SPDX-License-Identifier: Apache-2.0
import type { PersistentMap } from '../../lib/persistent-map.ts';
import { type Address, formatAddress } from '../identity/address.ts';
import type { Prefix } from '../identity/prefix.ts';

/**
 * What the kernel's maps should hold: the compiler yields it, the datapath reconciles towards it. Numbers are
 * node-local numeric names.
 */
export interface DesiredState {
  readonly workloads: readonly DesiredWorkload[];
  /** By the text of the prefix. */
  readonly ipcache: PersistentMap<DesiredAddress>;
  /** One for each direction in which policy selects a workload, or its requests are to be seen. */
  readonly policy: readonly DesiredTable[];
  /** By `frontendKey`. None: addresses of Services are left to others. */
  readonly services: PersistentMap<DesiredService>;
}

/** One port of a Service at one of its addresses. */
export interface DesiredService {
  readonly id: number;
  readonly address: Address;
  readonly port: number;
  readonly protocol: 'TCP' | 'UDP';
  /** How long a client stays with its backend after each connection, seconds; 0: it need not. */
  readonly affinitySeconds: number;
  /** One of them takes what is new. */
  readonly picked: readonly DesiredBackend[];
  /** Others that serve what they have. */
  readonly kept: readonly DesiredBackend[];
}

/** What tells one port of a Service at one of its addresses from all others. */
export function frontendKey({
  address,
  port,
  protocol,
}: Pick<DesiredService, 'address' | 'port' | 'protocol'>): string {
  return `${formatAddress(address)} ${String(port)}/${protocol}`;
}

export interface DesiredBackend {
  readonly address: Address;
  readonly port: number;
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
  /** Its messages to and from others of this node that ask for it, too, may pass TCP by. */
  readonly boost: boolean;
  /** Its ingress has rows though no policy selects it: requests to it are to be seen. */
  readonly visible: boolean;
  /** Primary addresses, shown by getsockname of steered sockets. */
  readonly addresses: readonly Address[];
}

export interface DesiredAddress {
  readonly prefix: Prefix;
  readonly identity: number;
  /** 0: not a workload of this node. */
  readonly workload: number;
  /** Somebody is known to have it: it is no block of addresses. */
  readonly taken: boolean;
  /** Of that workload. */
  readonly egressSelected: boolean;
  readonly ingressSelected: boolean;
  readonly boost: boolean;
  readonly visible: boolean;
}

/** In the place of a peer's identity: every peer that has no rows of its own. */
export const REST = 0;

/** What policy says of one direction of one workload. */
export interface DesiredTable {
  readonly workload: number;
  readonly direction: 'egress' | 'ingress';
  /**
   * The rows of one (identity, protocol) stand together and cover all ports. Workloads that are governed alike
   * share one list, and rows that stay as they are stay the same list.
   */
  readonly rows: readonly DesiredRow[];
}

export interface DesiredRow {
  /** The peer, or `REST`. */
  readonly identity: number;
  readonly protocol: 'TCP' | 'UDP';
  readonly from: number;
  /** Inclusive. */
  readonly to: number;
  /**
   * `inline` is the datapath's own choice for a `proxy` whose table found room in the kernel; `visible` for an `allow`
   * with a table, and for a `proxy` that enforces nothing.
   */
  readonly action: 'allow' | 'deny' | 'proxy' | 'inline' | 'visible';
  /** For proxy: the automaton's table, where the kernel can run it. For allow: requests are to be seen. */
  readonly table?: Uint8Array;
  /** For inline, visible: where the table lies in the kernel's pool. */
  readonly tableAt?: number;
  /** `deny`: a policy in Audit mode would. `requests`: requests are read only for what Audit says of its requests. */
  readonly audit: 'none' | 'deny' | 'requests';
  /** Numeric name of the deciding rule, 0: none. */
  readonly rule: number;
  /** For deny: a rule that denies, or no rule that allows. */
  readonly reason: 'none' | 'policy-denied' | 'policy-no-rule';
}
