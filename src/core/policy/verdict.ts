// SPDX-License-Identifier: Apache-2.0
import type { HttpMatch } from '../automaton/rules.ts';
import type { Protocol } from '../workload/workload.ts';
import type { DecisionReason } from './decision-reason.ts';
import type { Direction, RuleRef } from './rule-ref.ts';

/** One end of a connection: a workload, an address, or a workload at one of its addresses. */
export interface Endpoint {
  /** `namespace/name` of a workload in the world. */
  readonly workload?: string;
  /** IPv4 or IPv6 text. Without it a workload is taken at its first address. */
  readonly address?: string;
}

/** A request; text is what its UTF-8 bytes are on the wire. */
export interface HttpRequest {
  readonly method: string;
  /** Path as sent, without the query. */
  readonly path: string;
  /** Host as sent; a port is ignored. */
  readonly host: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Parameters in the order of the query, decoded. */
  readonly query: readonly (readonly [name: string, value: string])[];
}

export interface Question {
  readonly source: Endpoint;
  readonly destination: Endpoint;
  readonly port: number;
  readonly protocol: Protocol;
  /** Absent: may the connection be opened? Present: may this request pass on it? */
  readonly http?: HttpRequest;
}

export type PolicyApi = 'NetworkPolicy' | 'AccessPolicy';

/** What one rule, or one API's union of rules in one direction, said and why. */
export interface TraceStep {
  readonly direction: Direction;
  /** Absent for what is decided before any policy (traffic to itself, unknown workload). */
  readonly api?: PolicyApi;
  /** `namespace/name` of the governed workload. */
  readonly subject: string;
  /** Absent on a step that sums an API up. */
  readonly rule?: RuleRef;
  readonly action?: 'Allow' | 'Deny';
  readonly mode?: 'Enforce' | 'Audit';
  /** `Request`: matches the connection, the request decides. */
  readonly outcome: 'Matched' | 'NotMatched' | 'Request' | 'Allowed' | 'Denied';
  /** One sentence without a full stop. */
  readonly detail: string;
}

export interface Decision {
  readonly verdict: 'Allow' | 'Deny';
  /** The layer that decided. */
  readonly layer: 'L3L4' | 'L7';
  /**
   * What the connection needs: `proxied` where some rule can only be decided per request. `inline` is the datapath's
   * own choice for such a one.
   */
  readonly path: 'direct' | 'inline' | 'proxied';
  readonly reason: DecisionReason;
  readonly decidingRule?: RuleRef;
  readonly steps: readonly TraceStep[];
  /** Rules in Audit mode that would have denied what is allowed now. */
  readonly auditWouldDeny: readonly RuleRef[];
}

export type ConnectionVerdict = 'Allow' | 'Deny' | 'Proxy';

/** A run of ports with one verdict; ranges of one answer are ordered, disjoint and cover 0 to 65535. */
export interface PortRange {
  readonly from: number;
  /** Inclusive. */
  readonly to: number;
  /** `Proxy`: only the request can decide. */
  readonly verdict: ConnectionVerdict;
  /** Undefined where no policy selects the workload in this direction, and on `Proxy`. */
  readonly rule: RuleRef | undefined;
  /** The verdict if policies in Audit mode were enforced too; absent where it is no stricter. */
  readonly audit?: { readonly verdict: 'Deny' | 'Proxy'; readonly rules: readonly RuleRef[] };
}

/** One rule of a port that needs layer 7, in names; the meaning of `matches` is the automaton's `L7Rule`. */
export interface HttpRule {
  readonly rule: RuleRef;
  readonly action: 'Allow' | 'Deny';
  readonly matches: readonly HttpMatch[];
  /** Of a policy in Audit mode. */
  readonly audit?: true;
  /** Requests may come over HTTP/2, too. */
  readonly http2?: true;
}

/** A request passes if some Allow rule matches and no Deny rule does. */
export type RuleSet = readonly HttpRule[];
