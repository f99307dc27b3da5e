// SPDX-License-Identifier: Apache-2.0
import { Worker } from 'node:worker_threads';
import { PerigeeError } from '../lib/errors.ts';
import { FlowRing, flowRingMemory } from './flow-ring.ts';
import type { WorkerData, WorkerReply, WorkerRequest, WorkerScrape } from './worker-protocol.ts';

interface Pending {
  readonly resolve: (scrape: WorkerScrape | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** One worker seen from the main thread. */
interface WorkerHandle {
  readonly ring: FlowRing;
  ask(request: WorkerRequest): Promise<WorkerScrape | undefined>;
  end(): Promise<void>;
}

/** What runs in the main thread: no second heap, no second copy of the code. */
class LocalHandle implements WorkerHandle {
  readonly ring: FlowRing;
  private readonly worker: LocalWorker;

  constructor({ local, ...options }: WorkerPoolOptions) {
    const memory = flowRingMemory(options.ringBytes);
    this.ring = new FlowRing(memory);
    this.worker = local({ ring: memory, maxSockets: options.maxSockets }, options.onFault);
  }

  /** A fault of the call is the asker’s, as it is with a thread. */
  ask(request: WorkerRequest): Promise<WorkerScrape | undefined> {
    return new Promise((resolve) => resolve(this.worker.act(request)));
  }

  end(): Promise<void> {
    this.worker.close();
    return Promise.resolve();
  }
}

/** A worker in a thread of its own. */
class ThreadHandle implements WorkerHandle {
  readonly ring: FlowRing;
  private readonly worker: Worker;
  private readonly pending = new Map<number, Pending>();
  private lastId = 0;

  constructor(options: WorkerPoolOptions) {
    const memory = flowRingMemory(options.ringBytes);
    const workerData: WorkerData = { ring: memory, maxSockets: options.maxSockets };
    this.ring = new FlowRing(memory);
    this.worker = new Worker(options.script, { workerData });
    this.worker.on('message', (reply: WorkerReply) => {
      if ('fault' in reply) options.onFault(reply.fault);
      else this.settle(reply);
    });
    this.worker.on('error', options.onDeath);
  }

  ask(request: WorkerRequest): Promise<WorkerScrape | undefined> {
    const id = ++this.lastId;
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve, reject });
      this.worker.postMessage({ id, request });
    });
  }

  async end(): Promise<void> {
    await this.worker.terminate();
  }

  private settle(reply: Exclude<WorkerReply, { fault: string }>): void {
    const pending = this.pending.get(reply.id);
    this.pending.delete(reply.id);
    if ('error' in reply) pending?.reject(new PerigeeError(reply.error.code, reply.error.message));
    else pending?.resolve(reply.scrape);
  }
}

/** A worker that is called. */
export interface LocalWorker {
  act(request: WorkerRequest): WorkerScrape | undefined;
  close(): void;
}

export interface WorkerPoolOptions {
  /** What a thread runs. */
  readonly script: URL;
  /** Makes the only worker, in this thread. */
  readonly local: (data: WorkerData, onFault: (stack: string) => void) => LocalWorker;
  readonly workers: number;
  readonly maxSockets: number;
  readonly ringBytes: number;
  /** A connection of a worker met a fault of ours. */
  readonly onFault: (stack: string) => void;
  /** A worker is gone: the process can't go on. */
  readonly onDeath: (error: unknown) => void;
}

/** All workers; what one is told, all are told. */
export class WorkerPool {
  private readonly handles: readonly WorkerHandle[];

  constructor(options: WorkerPoolOptions) {
    const { workers } = options;
    if (workers === 1) this.handles = [new LocalHandle(options)];
    else this.handles = Array.from({ length: workers }, () => new ThreadHandle(options));
  }

  get rings(): readonly FlowRing[] {
    return this.handles.map((handle) => handle.ring);
  }

  get size(): number {
    return this.handles.length;
  }

  async tell(request: WorkerRequest): Promise<void> {
    await Promise.all(this.handles.map((handle) => handle.ask(request)));
  }

  /** Stops the workers, whatever they are at. */
  async end(): Promise<void> {
    await Promise.all(this.handles.map((handle) => handle.end()));
  }

  async scrape(): Promise<readonly WorkerScrape[]> {
    const scrapes = await Promise.all(this.handles.map((handle) => handle.ask({ kind: 'scrape' })));
    return scrapes.filter((scrape) => scrape !== undefined);
  }
}
