// SPDX-License-Identifier: Apache-2.0
import type { HttpMatch } from '../automaton/rules.ts';
import type { Entity } from '../identity/peer-identity.ts';
import type { Prefix } from '../identity/prefix.ts';
import type { LabelSelector } from '../resources/label-selector.ts';
import type { Protocol } from '../workload/workload.ts';
import type { Direction, RuleRef } from './rule-ref.ts';
import type { PolicyApi } from './verdict.ts';

/* The one form that every policy API is brought into before it is evaluated. */

/** A peer matches if it satisfies every field that is there. */
export interface PeerClause {
  /** `any`: whichever namespace, but a workload. Absent: needn't be a workload. */
  readonly namespaces?: { readonly name: string } | { readonly selector: LabelSelector } | 'any';
  readonly podSelector?: LabelSelector;
  readonly serviceAccounts?: readonly string[];
  readonly blocks?: readonly { readonly block: Prefix; readonly except: readonly Prefix[] }[];
  readonly entities?: readonly Entity[];
}

export interface PortClause {
  /** Absent: every protocol. */
  readonly protocol?: Protocol;
  /** A number, or the name of a port of the workload connected to. Absent: every port. */
  readonly port?: number | string;
  /** Inclusive; only after a number. */
  readonly endPort?: number;
}

/** What a rule speaks of: connections that match both parts of any of its clauses. */
export interface Clause {
  /** Absent: every peer. */
  readonly peer?: PeerClause;
  /** Absent: every port of every protocol. */
  readonly ports?: readonly PortClause[];
}

export interface Rule {
  readonly ref: RuleRef;
  readonly action: 'Allow' | 'Deny';
  readonly clauses: readonly Clause[];
  /** Present: the rule is about requests, hence TCP only. */
  readonly http?: readonly HttpMatch[];
  /** Those may come over HTTP/2, too. */
  readonly http2?: boolean;
}

/** One direction of one policy. */
export interface PolicyDirection {
  readonly api: PolicyApi;
  readonly direction: Direction;
  readonly mode: 'Enforce' | 'Audit';
  /** Stands for the policy's default deny. */
  readonly defaultDeny: RuleRef;
  readonly rules: readonly Rule[];
}

export interface Policy {
  readonly api: PolicyApi;
  /** Whom the policy governs. */
  readonly subject: {
    readonly namespaces: NonNullable<PeerClause['namespaces']>;
    readonly podSelector: LabelSelector;
  };
  readonly directions: readonly PolicyDirection[];
}
