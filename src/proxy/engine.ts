// SPDX-License-Identifier: Apache-2.0
import { responseTable } from '../core/automaton/response-table.ts';
import { ResponseHead } from '../core/http/response-head.ts';
import { EVENT_STRIDE, type Reactor, ReactorEvent } from '../core/port/reactor.ts';
import type { ProxyLimits, ProxyVerdict, RequestFlows } from '../core/proxy/config.ts';
import { flowRecord } from '../core/abi/flow.ts';
import { reason } from '../core/abi/reason.ts';
import { Acceptor } from './acceptor.ts';
import type { Context, Deferred } from './context.ts';
import { Arrays } from './arrays.ts';
import { Counters } from './counters.ts';
import type { FlowRing } from './flow-ring.ts';
import { FlowWriter } from './flows.ts';
import { Gate } from './gate.ts';
import { HeadPieces } from './head-pieces.ts';
import { Shares } from './limits.ts';
import { Owners } from './owner.ts';
import { PolicyTable } from './policy.ts';
import { Pool } from './pool.ts';
import type { Clock, Kernel, SocketFactory } from './ports.ts';
import { RefusalWriter } from './refusal.ts';
import { type RequestRules, RuleLists } from './request-rules.ts';
import type { Listener } from './route.ts';
import { Routes, type WorkloadFacts } from './routes.ts';
import { SocketBudget } from './socket-budget.ts';
import { Spares } from './spares.ts';
import { TimerWheel } from './timers.ts';
import { Upstreams } from './upstream.ts';

export interface EnginePorts {
  readonly reactor: Reactor;
  readonly kernel: Kernel;
  readonly sockets: SocketFactory;
  readonly clock: Clock;
  readonly ring: FlowRing;
  /** Runs a task soon, after what is due now. */
  readonly defer: (task: () => void) => void;
  /** A fault of the proxy itself; the connection concerned is closed, the others go on. */
  readonly onFault: (error: unknown) => void;
}

/** What the engine keeps of a configuration. */
export interface EngineConfig {
  readonly limits: ProxyLimits;
  readonly verdicts: readonly ProxyVerdict[];
  readonly rules: readonly RequestRules[];
  readonly workloads: ReadonlyMap<number, WorkloadFacts>;
  /** Sockets that this worker may have. */
  readonly sockets: number;
  /** Keep upstream connections for the next client of the same workload. */
  readonly pooling: boolean;
  readonly requestFlows: RequestFlows;
}

const RECORDED_LINES = 64;
const POOL_CAPACITY = 4096;
/** Most request heads are shorter. */
const HEAD_BYTES = 512;
const SPARE_ARRAYS = 1024;

/** The proxy's core in one worker: sockets' events in, commands out. */
export class Engine implements Context {
  readonly reactor: Reactor;
  readonly owners = new Owners();
  readonly timers: TimerWheel;
  readonly flows: FlowWriter;
  readonly counters = new Counters();
  readonly kernel: Kernel;
  readonly shares = new Shares();
  readonly pool: Pool;
  readonly budget: SocketBudget;
  readonly upstreams: Upstreams;
  readonly refusals = new RefusalWriter();
  readonly pieces = new HeadPieces();
  readonly templates = new Arrays(flowRecord.size, SPARE_ARRAYS);
  readonly heads = new Arrays(HEAD_BYTES, SPARE_ARRAYS);
  gates: Spares<Gate>;
  responseHeads: Spares<ResponseHead>;
  rules: RuleLists;
  policy = new PolicyTable([]);
  limits: ProxyLimits;
  nowNs = 0;
  nowMs = 0;
  isDraining = false;
  private readonly responseTable = responseTable();
  private readonly ports: EnginePorts;
  private readonly acceptor: Acceptor;
  private readonly routes: Routes;
  private readonly listeners = new Map<number, Listener>();
  private tasks: Deferred[] = [];

  constructor(ports: EnginePorts, config: EngineConfig) {
    this.ports = ports;
    this.reactor = ports.reactor;
    this.kernel = ports.kernel;
    this.refreshClock();
    this.timers = new TimerWheel(this.nowMs);
    this.flows = new FlowWriter(ports.ring);
    this.pool = new Pool(ports.reactor, this.owners, this.timers, POOL_CAPACITY);
    this.budget = new SocketBudget(ports.reactor, this.shares, this.pool);
    this.upstreams = new Upstreams(ports.reactor, ports.kernel, ports.sockets);
    this.routes = new Routes(ports.sockets, this.shares, this.counters);
    this.acceptor = new Acceptor(this, ports.kernel, ports.sockets, this.routes);
    this.limits = config.limits;
    this.rules = new RuleLists(config.rules);
    this.gates = this.makeGates();
    this.responseHeads = this.makeResponseHeads();
    this.configure(config);
    this.reactor.onBatch = (count) => this.batch(count);
  }

  /** Puts a configuration in force: for new requests at once, for open connections by another look at each. */
  configure(config: EngineConfig): void {
    this.limits = config.limits;
    // Open HTTP connections need the grammar also when no rule needs requests any more.
    if (config.rules.length > 0) this.rules = new RuleLists(config.rules);
    this.policy = new PolicyTable(config.verdicts, config.workloads);
    this.pool.isOn = config.pooling;
    this.flows.requests = config.requestFlows;
    this.gates = this.makeGates();
    this.responseHeads = this.makeResponseHeads();
    this.routes.reset(config.workloads);
    this.shares.retain(new Set(config.workloads.keys()));
    this.budget.divide(config.sockets, config.workloads.size);
    this.refreshClock();
    for (const owner of this.owners.all()) this.guarded(() => owner.reviewed(this.policy));
    this.flows.publish();
  }

  listen(fd: number, listener: Listener): void {
    if (!this.listeners.has(fd)) this.reactor.listen(fd, fd);
    this.listeners.set(fd, listener);
  }

  unlisten(fd: number): void {
    if (this.listeners.delete(fd)) this.reactor.unlisten(fd);
  }

  /** Namespaces, by descriptor, in which a connection may still open a socket. */
  netnsInUse(): number[] {
    const used = new Set<number>();
    for (const { netnsFd } of this.listeners.values()) used.add(netnsFd);
    for (const owner of this.owners.all()) used.add(owner.netnsFd);
    return [...used];
  }

  /** To be called every 50 ms or so. */
  tick(): void {
    this.refreshClock();
    this.guarded(() => this.timers.advance(this.nowMs));
    this.budget.settle();
    this.flows.publish();
  }

  /** Open connections end after what they are at. */
  drain(): void {
    this.isDraining = true;
    this.pool.isOn = false;
    this.refreshClock();
    for (const owner of this.owners.all()) this.guarded(() => owner.drain());
    this.flows.publish();
  }

  /** Ends what is still open. */
  terminate(why: number): void {
    this.refreshClock();
    for (const owner of this.owners.all()) this.guarded(() => owner.terminate(why));
    this.flows.publish();
  }

  act(action: () => void): void {
    this.refreshClock();
    this.guarded(action);
    this.flows.publish();
  }

  later(task: Deferred): void {
    if (this.tasks.push(task) === 1) this.ports.defer(() => this.runTasks());
  }

  private runTasks(): void {
    const { tasks } = this;
    this.tasks = [];
    this.refreshClock();
    for (const task of tasks) this.guarded(() => task.resumed());
    this.flows.publish();
  }

  private batch(count: number): void {
    this.refreshClock();
    let at = 0;
    // One try around the loop costs nothing per event; a fault resumes behind its event.
    while (at < count) {
      try {
        for (; at < count; at++) this.dispatch(at * EVENT_STRIDE);
      } catch (error) {
        this.faulted(this.reactor.events[at * EVENT_STRIDE + 1] as number, error);
        at++;
      }
    }
    this.flows.publish();
  }

  private dispatch(at: number): void {
    const { events } = this.reactor;
    const slot = events[at + 1] as number;
    const a = events[at + 2] as number;
    if (events[at] === ReactorEvent.accepted) {
      this.accepted(slot, a, events[at + 3] as number);
      return;
    }
    const owner = this.owners.of(slot);
    if (owner === null) return;
    switch (events[at]) {
      case ReactorEvent.data:
        owner.data(slot, a, events[at + 3] as number);
        break;
      case ReactorEvent.connected:
        owner.connected(slot, a);
        break;
      case ReactorEvent.end:
        owner.end(slot);
        break;
      case ReactorEvent.failed:
        owner.failed(slot, a);
        break;
      case ReactorEvent.drained:
        owner.drained(slot);
        break;
      case ReactorEvent.congested:
        owner.congested(slot, a);
        break;
      case ReactorEvent.relayEnded:
        owner.relayEnded(slot, a);
        break;
      default: // accepted: dealt with above
        break;
    }
  }

  private accepted(slot: number, tag: number, fd: number): void {
    const listener = this.listeners.get(tag);
    if (listener === undefined) this.reactor.reset(slot);
    else this.acceptor.accept(slot, fd, listener);
  }

  private faulted(slot: number, error: unknown): void {
    this.ports.onFault(error);
    this.counters.drop(reason['proxy-internal']);
    const owner = this.owners.of(slot);
    if (owner === null) this.reactor.reset(slot);
    else this.guarded(() => owner.terminate(reason['proxy-internal']));
  }

  private guarded(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.ports.onFault(error);
    }
  }

  private refreshClock(): void {
    this.nowNs = this.ports.clock.nowNs();
    this.nowMs = this.nowNs / 1e6;
  }

  private makeGates(): Spares<Gate> {
    const limits = this.headLimits();
    const table = this.rules.at(0)?.table ?? this.responseTable;
    return new Spares(() => new Gate(table, limits));
  }

  private makeResponseHeads(): Spares<ResponseHead> {
    const limits = this.headLimits();
    return new Spares(() => new ResponseHead(this.responseTable, limits));
  }

  private headLimits(): { headBytes: number; headerLines: number; recordedLines: number } {
    const { headBytes, headers } = this.limits;
    return { headBytes, headerLines: headers, recordedLines: RECORDED_LINES };
  }
}
