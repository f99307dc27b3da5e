// SPDX-License-Identifier: Apache-2.0
import type { ResponseHead } from '../core/http/response-head.ts';
import type { ProxyLimits } from '../core/proxy/config.ts';
import type { Reactor } from '../core/port/reactor.ts';
import type { Arrays } from './arrays.ts';
import type { Counters } from './counters.ts';
import type { FlowWriter } from './flows.ts';
import type { Owners } from './owner.ts';
import type { PolicyTable } from './policy.ts';
import type { Pool } from './pool.ts';
import type { Kernel } from './ports.ts';
import type { RefusalWriter } from './refusal.ts';
import type { RuleLists } from './request-rules.ts';
import type { SocketBudget } from './socket-budget.ts';
import type { Spares } from './spares.ts';
import type { Gate } from './gate.ts';
import type { HeadPieces } from './head-pieces.ts';
import type { TimerWheel } from './timers.ts';
import type { Upstreams } from './upstream.ts';

/** What every connection of a worker works with. The engine owns it and moves the clock once a turn. */
export interface Context {
  readonly reactor: Reactor;
  readonly owners: Owners;
  readonly timers: TimerWheel;
  readonly flows: FlowWriter;
  readonly counters: Counters;
  readonly kernel: Pick<Kernel, 'tellEnding'>;
  readonly pool: Pool;
  readonly budget: SocketBudget;
  readonly upstreams: Upstreams;
  readonly refusals: RefusalWriter;
  /** For flow templates, and for request heads that are kept. */
  readonly templates: Arrays;
  readonly heads: Arrays;
  /** Scratch: a head is planned and sent within one call. */
  readonly pieces: HeadPieces;
  gates: Spares<Gate>;
  responseHeads: Spares<ResponseHead>;
  /** What rulings point to. */
  rules: RuleLists;
  policy: PolicyTable;
  limits: ProxyLimits;
  /** CLOCK_MONOTONIC of this turn. */
  nowNs: number;
  nowMs: number;
  /** No new connections; open ones end after their current request. */
  isDraining: boolean;
  /** Runs what happens outside of a turn: by the time of now, and no fault goes further. */
  act(action: () => void): void;
  /** Runs again in the next turn, so that one connection can't hold up the others. */
  later(task: Deferred): void;
}

export interface Deferred {
  resumed(): void;
}
