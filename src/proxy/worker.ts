// SPDX-License-Identifier: Apache-2.0
// Composition root of one worker thread: the engine on the addon's reactor and the pinned maps.
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { load } from '../core/automaton/table.ts';
import { reason } from '../core/abi/reason.ts';
import { loadNative } from '../datapath/native.ts';
import { SocketReactor } from '../datapath/reactor.ts';
import { PerigeeError } from '../lib/errors.ts';
import { Engine, type EngineConfig } from './engine.ts';
import { FlowRing } from './flow-ring.ts';
import { HostSockets } from './host-sockets.ts';
import { SourcePorts } from './source-ports.ts';
import { PinnedKernel, workerMaps, type WorkerMaps } from './kernel.ts';
import type {
  WorkerConfig,
  WorkerData,
  WorkerReply,
  WorkerRequest,
  WorkerScrape,
} from './worker-protocol.ts';

const TICK_MS = 50;
const READ_BYTES = 64 * 1024;
const TURN_SOCKETS = 64;
const HIGH_WATER = 256 * 1024;
const QUEUE_BYTES = 4 * 1024 * 1024;

/** One worker: answers the main thread's requests in order. */
class ProxyWorker {
  private readonly native = loadNative();
  private readonly data: WorkerData;
  private readonly reply: (reply: WorkerReply) => void;
  private engine: Engine | undefined;
  private kernel: PinnedKernel | undefined;
  private mapsRoot = '';

  constructor(data: WorkerData, reply: (reply: WorkerReply) => void) {
    this.data = data;
    this.reply = reply;
  }

  take(id: number, request: WorkerRequest): void {
    try {
      const scrape = this.act(request);
      this.reply(scrape === undefined ? { id } : { id, scrape });
    } catch (error) {
      const code = error instanceof PerigeeError ? error.code : 'ERR_PROXY_WORKER';
      this.reply({ id, error: { code, message: error instanceof Error ? error.message : String(error) } });
    }
  }

  private act(request: WorkerRequest): WorkerScrape | undefined {
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

  private configure(config: WorkerConfig): void {
    const engineConfig: EngineConfig = {
      limits: config.limits,
      verdicts: config.verdicts,
      tables: config.automata.map((bytes) => load(new Uint8Array(bytes))),
      workloads: new Map(config.workloads),
      pooling: config.pooling,
    };
    const kernel = this.kernelOf(config.mapsRoot);
    if (this.engine === undefined) this.engine = this.start(kernel, engineConfig);
    else this.engine.configure(engineConfig);
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
      sockets: maxSockets,
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
        maxSockets,
        defer: (task) => setImmediate(task),
        onFault: (error) => {
          this.reply({ fault: error instanceof Error ? (error.stack ?? error.message) : String(error) });
        },
      },
      config,
    );
    setInterval(() => engine.tick(), TICK_MS);
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

const port = parentPort;
if (port === null) throw new PerigeeError('ERR_PROXY_WORKER', 'worker.ts is started by main.ts, as a thread');
const worker = new ProxyWorker(workerData as WorkerData, (reply) => port.postMessage(reply));
port.on('message', ({ id, request }: { id: number; request: WorkerRequest }) => worker.take(id, request));
