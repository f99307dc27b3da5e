// SPDX-License-Identifier: Apache-2.0
// What the main thread and its workers say to each other. Plain data: it crosses threads.
import type { ProxyLimits, ProxyVerdict, RequestFlows } from '../core/proxy/config.ts';
import type { CounterSnapshot } from './counters.ts';
import type { Listener } from './route.ts';
import type { RequestRulesData } from './request-rules.ts';
import type { WorkloadFacts } from './routes.ts';

export interface WorkerRules extends RequestRulesData {
  /** Of the table. */
  readonly digest: string;
}

export interface WorkerConfig {
  readonly mapsRoot: string;
  readonly limits: ProxyLimits;
  readonly verdicts: readonly ProxyVerdict[];
  /** Their tables are shared by all workers. */
  readonly rules: readonly WorkerRules[];
  readonly workloads: readonly (readonly [number, WorkloadFacts])[];
  readonly pooling: boolean;
  readonly requestFlows: RequestFlows;
  /** Sockets that each worker may have. */
  readonly sockets: number;
}

export interface WorkerData {
  readonly ring: SharedArrayBuffer;
  /** The most that a configuration may grant. */
  readonly maxSockets: number;
}

export type WorkerRequest =
  | { readonly kind: 'configure'; readonly config: WorkerConfig }
  | { readonly kind: 'listen'; readonly fd: number; readonly listener: Listener }
  | { readonly kind: 'unlisten'; readonly fd: number }
  | { readonly kind: 'drain' }
  | { readonly kind: 'terminate' }
  | { readonly kind: 'scrape' };

export interface WorkerScrape {
  readonly counters: CounterSnapshot;
  readonly connections: number;
  /** Connections by workload. */
  readonly byWorkload: readonly (readonly [number, number])[];
  /** Descriptors of namespaces that some connection may still open sockets in. */
  readonly netnsInUse: readonly number[];
  readonly queuedBytes: number;
  readonly pooled: number;
}

export type WorkerReply =
  | { readonly id: number; readonly scrape?: WorkerScrape }
  | { readonly id: number; readonly error: { readonly code: string; readonly message: string } }
  | { readonly fault: string };
