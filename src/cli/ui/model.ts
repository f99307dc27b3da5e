// SPDX-License-Identifier: Apache-2.0
// What the page is told; both sides compile against it.
import type { FlowPath, FlowVerdict } from '../../core/flow.ts';

/** Seconds that may be looked at. */
export const windows = [10, 60, 300, 900] as const;
export type Window = (typeof windows)[number];

/** What went from one workload to another, or was to, in the window. */
export interface UiEdge {
  readonly source: string;
  readonly destination: string;
  readonly requests: number;
  readonly connections: number;
  /** Answered by 5xx, not at all, or failed below HTTP. */
  readonly errors: number;
  readonly denied: number;
  readonly audited: number;
  readonly bytes: number;
  /** ns; absent without requests. */
  readonly p50?: number;
  readonly p99?: number;
  /** Flows by the way that they took. */
  readonly paths: Readonly<Record<FlowPath, number>>;
}

export interface UiMap {
  readonly node: string;
  /** Seconds that the figures are over: the window, or since the first flow that is known. */
  readonly seconds: number;
  /** Flows that this page was told it missed. */
  readonly missed: number;
  /** Why no flows come; absent while they do. */
  readonly problem?: string;
  readonly edges: readonly UiEdge[];
  readonly refusals: readonly UiRefusal[];
}

/** What was refused in the window, by whom and why. */
export interface UiRefusal {
  readonly source: string;
  readonly destination: string;
  readonly reason: string;
  /** What that means, and what to do. */
  readonly meaning: string;
  readonly action: string;
  readonly rule?: UiRule;
  readonly count: number;
  /** ms since 1970. */
  readonly last: number;
}

/** A rule and where it is written. */
export interface UiRule {
  readonly policy: string;
  readonly rule: string;
  readonly direction: 'egress' | 'ingress';
  /** `file:line`; absent in a cluster. */
  readonly place?: string;
}

export interface UiFlow {
  /** ms since 1970. */
  readonly time: number;
  readonly kind: string;
  readonly verdict: FlowVerdict;
  readonly path: FlowPath;
  readonly reason: string;
  /** `GET /orders 200`, or how a connection ended. */
  readonly what: string;
  /** ns. */
  readonly duration: number;
  readonly port: number;
  readonly reference?: string;
}

export interface UiEdgeDetail {
  /** The newest first. */
  readonly flows: readonly UiFlow[];
  /** Rules that decided these flows, and how many each. */
  readonly rules: readonly (UiRule & { readonly verdict: FlowVerdict; readonly count: number })[];
}
