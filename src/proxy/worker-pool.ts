// SPDX-License-Identifier: Apache-2.0
import { Worker } from 'node:worker_threads';
import { PerigeeError } from '../lib/errors.ts';
import { FlowRing, flowRingMemory } from './flow-ring.ts';
import type { WorkerData, WorkerReply, WorkerRequest, WorkerScrape } from './worker-protocol.ts';

interface Pending {
  readonly resolve: (scrape: WorkerScrape | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** What a worker allocates dies with its connection; a small nursery keeps its memory small, MiB. */
const YOUNG_MIB = 8;

/** One worker thread seen from the main thread. */
class WorkerHandle {
  readonly ring: FlowRing;
  private readonly worker: Worker;
  private readonly pending = new Map<number, Pending>();
  private lastId = 0;

  constructor(options: WorkerPoolOptions) {
    const memory = flowRingMemory(options.ringBytes);
    const workerData: WorkerData = { ring: memory, maxSockets: options.maxSockets };
    this.ring = new FlowRing(memory);
    this.worker = new Worker(options.script, {
      workerData,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB },
    });
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

export interface WorkerPoolOptions {
  readonly script: URL;
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
  private readonly handles: WorkerHandle[];

  constructor(options: WorkerPoolOptions) {
    this.handles = Array.from({ length: options.workers }, () => new WorkerHandle(options));
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

  /** Stops the threads, whatever they are at. */
  async end(): Promise<void> {
    await Promise.all(this.handles.map((handle) => handle.end()));
  }

  async scrape(): Promise<readonly WorkerScrape[]> {
    const scrapes = await Promise.all(this.handles.map((handle) => handle.ask({ kind: 'scrape' })));
    return scrapes.filter((scrape) => scrape !== undefined);
  }
}
