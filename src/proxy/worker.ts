// SPDX-License-Identifier: Apache-2.0
// Composition root of one worker: the engine on the addon's reactor and the pinned maps.
import { join } from 'node:path';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { reason } from '../core/abi/reason.ts';
import type { HeadTable } from '../core/automaton/table.ts';
import { loadNative } from '../datapath/native.ts';
import { SocketReactor } from '../datapath/reactor.ts';
import { PerigeeError, messageOf } from '../lib/errors.ts';
import { TURN_ACCEPTS } from './descriptors.ts';
import { Engine, type EngineConfig } from './engine.ts';
import { FlowRing } from './flow-ring.ts';
import { HostSockets } from './host-sockets.ts';
import { loadRules, type RequestRules } from './request-rules.ts';
import { SourcePorts } from './source-ports.ts';
import { PinnedKernel, workerMaps, type WorkerMaps } from './kernel.ts';
import type {
  WorkerConfig,
  WorkerData,
  WorkerReply,
  WorkerRequest,
  WorkerRules,
  WorkerScrape,
} from './worker-protocol.ts';

const TICK_MS = 50;
const READ_BYTES = 64 * 1024;
const TURN_SOCKETS = 64;
/** Slots of sockets that are closed already and whose last event is on its way. */
const DEAD_SLOTS = 512;
const HIGH_WATER = 256 * 1024;
const QUEUE_BYTES = 4 * 1024 * 1024;

/** One worker's engine, driven by the main thread's requests: by a call, or by messages between threads. */
export class ProxyWorker {
  private readonly native = loadNative();
  private readonly data: WorkerData;
  private readonly onFault: (stack: string) => void;
  private engine: Engine | undefined;
  private kernel: PinnedKernel | undefined;
  private tables: ReadonlyMap<string, HeadTable> = new Map();
  private mapsRoot = '';
  private ticking: NodeJS.Timeout | undefined;

  /** @param onFault hears of faults of the proxy itself */
  constructor(data: WorkerData, onFault: (stack: string) => void) {
    this.data = data;
    this.onFault = onFault;
  }

  act(request: WorkerRequest): WorkerScrape | undefined {
    switch (request.kind) {
      case 'configure':
        this.configure(request.config);
        return undefined;
      case 'listen':
        this.engine?.listen(request.fd, request.listener);
        return undefined;
      case 'unlisten':
        this.engine?.unlisten(request.fd);
        return undefined;
      case 'drain':
        this.engine?.drain();
        return undefined;
      case 'terminate':
        this.engine?.terminate(reason['proxy-draining']);
        return undefined;
      case 'scrape':
        return this.scrape();
    }
  }

  /** Closes every socket at once. */
  close(): void {
    clearInterval(this.ticking);
    this.engine?.reactor.destroy();
    this.engine = undefined;
  }

  private configure(config: WorkerConfig): void {
    const engineConfig: EngineConfig = {
      limits: config.limits,
      verdicts: config.verdicts,
      rules: this.loadAll(config.rules),
      workloads: new Map(config.workloads),
      pooling: config.pooling,
      requestFlows: config.requestFlows,
      sockets: config.sockets,
    };
    const kernel = this.kernelOf(config.mapsRoot);
    if (this.engine === undefined) this.engine = this.start(kernel, engineConfig);
    else this.engine.configure(engineConfig);
  }

  /** Tables that were in force before need no other look. */
  private loadAll(lists: readonly WorkerRules[]): readonly RequestRules[] {
    const rules = lists.map((data) => loadRules(data, this.tables.get(data.digest)));
    this.tables = new Map(lists.map(({ digest }, index) => [digest, (rules[index] as RequestRules).table]));
    return rules;
  }

  private kernelOf(mapsRoot: string): PinnedKernel {
    if (this.kernel !== undefined && this.mapsRoot === mapsRoot) return this.kernel;
    const open = workerMaps.map(
      (name) => [name, this.native.BpfMap.openPinned(join(mapsRoot, name))] as const,
    );
    const maps = Object.fromEntries(open) as unknown as WorkerMaps;
    if (this.kernel === undefined) this.kernel = new PinnedKernel(maps);
    else this.kernel.use(maps);
    this.mapsRoot = mapsRoot;
    return this.kernel;
  }

  private start(kernel: PinnedKernel, config: EngineConfig): Engine {
    const { maxSockets, ring } = this.data;
    const reactor = new SocketReactor(this.native, {
      sockets: maxSockets + TURN_ACCEPTS + DEAD_SLOTS,
      turnAccepts: TURN_ACCEPTS,
      readBytes: READ_BYTES,
      turnSockets: TURN_SOCKETS,
      highWater: HIGH_WATER,
      queueBytes: QUEUE_BYTES,
    });
    const engine = new Engine(
      {
        reactor,
        kernel,
        sockets: new HostSockets(this.native, new SourcePorts(Math.random)),
        clock: { nowNs: () => Number(process.hrtime.bigint()) },
        ring: new FlowRing(ring),
        defer: (task) => setImmediate(task),
        onFault: (error) => {
          this.onFault(error instanceof Error ? (error.stack ?? error.message) : String(error));
        },
      },
      config,
    );
    this.ticking = setInterval(() => engine.tick(), TICK_MS);
    return engine;
  }

  private scrape(): WorkerScrape | undefined {
    const { engine } = this;
    if (engine === undefined) return undefined;
    return {
      counters: engine.counters.snapshot(),
      connections: engine.shares.connections,
      byWorkload: engine.shares.byWorkload(),
      netnsInUse: engine.netnsInUse(),
      queuedBytes: engine.reactor.stats.queuedBytes,
      pooled: engine.pool.size,
    };
  }
}

/** Answers the main thread's messages in order. */
function serve(port: MessagePort, data: WorkerData): void {
  const reply = (answer: WorkerReply): void => port.postMessage(answer);
  const worker = new ProxyWorker(data, (fault) => reply({ fault }));
  port.on('message', ({ id, request }: { id: number; request: WorkerRequest }) => {
    try {
      const scrape = worker.act(request);
      reply(scrape === undefined ? { id } : { id, scrape });
    } catch (error) {
      const code = error instanceof PerigeeError ? error.code : 'ERR_PROXY_WORKER';
      reply({ id, error: { code, message: messageOf(error) } });
    }
  });
}

// Started as a thread; imported by the main thread it does nothing.
if (parentPort !== null) serve(parentPort, workerData as WorkerData);
