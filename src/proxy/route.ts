// SPDX-License-Identifier: Apache-2.0
import type { Parties, PolicyTable, Ruling } from './policy.ts';
import type { Share } from './limits.ts';
import type { IdleUpstream } from './pool.ts';

/** A listener's place in the world: whose namespace it stands in and which way its connections go. */
export interface Listener {
  /** Whom inbound connections reach. */
  readonly workload: number;
  readonly identity: number;
  readonly direction: 'outbound' | 'inbound';
  /** Open descriptor of the namespace in which upstream sockets are made. */
  readonly netnsFd: number;
  readonly netnsCookie: bigint;
}

/** What connections with the same parties and addresses have in common; shared by all of them. */
export class Route implements Parties {
  readonly listener: Listener;
  readonly share: Share;
  readonly sourceWorkload: number;
  readonly sourceIdentity: number;
  readonly destinationWorkload: number;
  readonly destinationIdentity: number;
  readonly destinationPort: number;
  readonly destinationAddress: Uint8Array;
  readonly family: 4 | 6;
  /** What upstream sockets are bound to. */
  readonly sourceAddress: Uint8Array;
  readonly sourceText: string;
  /** Namespace of the destination if it is a governed workload of this node, else 0. */
  readonly serverNetns: bigint;
  /** Index of its row of counters. */
  readonly meter: number;
  /** Upstream connections between two clients, latest last. */
  readonly idle: IdleUpstream[] = [];
  private ruling: Ruling | undefined;
  private ruledBy: PolicyTable | undefined;

  constructor(fields: RouteFields) {
    this.listener = fields.listener;
    this.share = fields.share;
    this.sourceWorkload = fields.sourceWorkload;
    this.sourceIdentity = fields.sourceIdentity;
    this.destinationWorkload = fields.destinationWorkload;
    this.destinationIdentity = fields.destinationIdentity;
    this.destinationPort = fields.destinationPort;
    this.destinationAddress = fields.destinationAddress;
    this.family = fields.family;
    this.sourceAddress = fields.sourceAddress;
    this.sourceText = fields.sourceText;
    this.serverNetns = fields.serverNetns;
    this.meter = fields.meter;
  }

  /** What the policy in force says; computed once per configuration. */
  rulingOf(policy: PolicyTable): Ruling {
    if (this.ruledBy !== policy || this.ruling === undefined) {
      this.ruling = policy.rule(this);
      this.ruledBy = policy;
    }
    return this.ruling;
  }
}

export interface RouteFields extends Parties {
  readonly listener: Listener;
  readonly share: Share;
  readonly destinationAddress: Uint8Array;
  readonly family: 4 | 6;
  readonly sourceAddress: Uint8Array;
  readonly sourceText: string;
  readonly serverNetns: bigint;
  readonly meter: number;
}
