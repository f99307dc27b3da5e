// SPDX-License-Identifier: Apache-2.0
import type { FlowRule, FlowService } from '../core/flow.ts';
import type { PathRedaction } from '../core/redact.ts';
import type { AddressHolders } from './address-holders.ts';
import type { DnsNames } from './dns/names.ts';

/** What is known of a numeric identity or workload. */
export interface PeerNames {
  readonly namespace?: string;
  readonly workload?: string;
  readonly serviceAccount?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** World, Node, … or the prefix that gave the identity. */
  readonly entity?: string;
}

/**
 * Turns the numbers of a record into names, and its path into what may be shown. Called when somebody asks for flows, so a number must keep its
 * meaning for some time after the object is gone.
 */
export interface FlowNames {
  identity(id: number): PeerNames | undefined;
  workload(id: number): PeerNames | undefined;
  rule(id: number): FlowRule | undefined;
  /** Who had the addresses of records that name no workload. */
  readonly holders?: Pick<AddressHolders, 'of' | 'addresses'>;
  /** What workloads call addresses; absent: nobody reads DNS. */
  readonly dns?: Pick<DnsNames, 'has' | 'of' | 'addresses' | 'version'>;
  /** Absent: nobody here resolves Services. */
  service?(id: number): FlowService | undefined;
  /** How paths are shown and found; absent: as they were sent. */
  readonly path?: PathRedaction;
}
