// SPDX-License-Identifier: Apache-2.0
import type { FlowStats } from '../../core/flow-filter.ts';
import type { NamedTotals } from './flow-meter.ts';
import type { RequestTotals } from './request-totals.ts';

/** The kernel's per-CPU counters, summed, with names in place of numbers. Read on each scrape. */
export interface KernelCounters {
  verdicts(): Iterable<{
    readonly policy: string;
    readonly direction: string;
    readonly verdict: string;
    readonly count: number;
  }>;
  drops(): Iterable<{ readonly reason: string; readonly count: number }>;
  /** Visible connections that are read no more. */
  opaque(): Iterable<{ readonly reason: string; readonly count: number }>;
  /** What passed because its pod was not known yet. */
  pendingPassed(): number;
}

/** HTTP policy in the kernel at this moment. */
export interface InlineFigures {
  readonly tables: number;
  readonly bytes: number;
  /** Why HTTP policy goes to the proxy, from a closed set; undefined: it doesn't. */
  readonly off: string | undefined;
  /** Refusals by what the client was told. */
  readonly answers: Readonly<Record<string, number>>;
}

/** What the agent knows of itself at this moment. */
export interface ControlFigures {
  readonly ready: boolean;
  readonly revision: number;
  /** Wall clock, ms; undefined before the first. */
  readonly appliedAt: number | undefined;
  readonly errors: number;
  readonly warnings: number;
  readonly enrolled: number;
  /** Ports of Services that are resolved. */
  readonly services: { readonly served: number; readonly empty: number };
  readonly failed: number;
  /** Whether the proxy has the configuration that it should have; undefined: it is away. */
  readonly proxyCurrent: boolean | undefined;
  /** How long each collection of the API server has not been heard of, seconds. */
  readonly ages: Readonly<Record<string, number>>;
}

export interface BoostFigures {
  /** Why no connection may be boosted; undefined: they may. */
  readonly off: string | undefined;
  readonly counts: Readonly<Record<string, number>>;
}

/** Names that DNS gave addresses. */
export interface DnsFigures {
  /** Answers that workloads got, by what became of them. */
  readonly answers: Readonly<Record<string, number>>;
  /** Pairs of a name and an address that are kept. */
  readonly names: number;
  /** Pairs that were given up, by the limit that was met. */
  readonly evicted: Readonly<Record<string, number>>;
}

export interface MetricSources {
  readonly version: string;
  readonly kernel: KernelCounters;
  readonly flows: () => FlowStats;
  /** Flows by what became of them on their way to a file; empty: there is none. */
  readonly exported: () => Readonly<Record<string, number>>;
  readonly dns: () => DnsFigures;
  readonly pairs: () => readonly NamedTotals[];
  /** What was sent to a collector by signal and outcome; empty: there is none. */
  readonly otlp: () => readonly Readonly<{ signal: string; outcome: string; count: number }>[];
  /** Requests that policies in Audit mode would refuse. */
  readonly audited: () => readonly {
    readonly policy: string;
    readonly direction: string;
    readonly count: number;
  }[];
  /** Requests that the kernel decided. */
  readonly requests: () => RequestTotals;
  readonly inline: () => InlineFigures;
  readonly boost: () => BoostFigures;
  readonly control: () => ControlFigures;
  /** Prometheus text of the proxy; undefined when there is none. */
  readonly proxy: () => Promise<string | undefined>;
  /** Series of one metric at most. */
  readonly maxSeries?: number;
}
