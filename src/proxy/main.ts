// SPDX-License-Identifier: Apache-2.0
// Composition root of `perigee proxy`.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { loadNative } from '../datapath/native.ts';
import { askToDrain, ControlServer } from './control-server.ts';
import { descriptorLimit, socketsPerWorker } from './descriptors.ts';
import { FlowStream } from './flow-stream.ts';
import { ListenerSet } from './listener-set.ts';
import { Publisher } from './publisher.ts';
import { standBy } from './stand-by.ts';
import { StateFile } from './state-file.ts';
import { TableStore } from './table-store.ts';
import { Supervisor } from './supervisor.ts';
import { ProxyWorker } from './worker.ts';
import { WorkerPool } from './worker-pool.ts';

export interface ProxyOptions {
  /** Path of the control socket. */
  readonly control: string;
  /** File of the last accepted configuration. */
  readonly state: string;
  readonly workers: number;
  readonly logLevel: string;
  /** What open connections get to end, ms. */
  readonly drainMs?: number;
  /** Sockets of one worker at most; never more than its part of RLIMIT_NOFILE. */
  readonly maxSockets?: number;
  /** Waits until the proxy that took over is gone, for those who would start this one again and have it take over. */
  readonly standBy?: boolean;
  /** File that is there once a configuration is in force, for those who wait for that. */
  readonly readyFile?: string;
}

const DRAIN_MS = 30_000;
const FLOW_PUMP_MS = 25;
const TEND_MS = 1000;
const FLOW_RING_BYTES = 2 * 1024 * 1024;

/** Runs the proxy until it has drained: because of the signal, or because another takes over. */
export async function runProxy(options: ProxyOptions, signal: AbortSignal): Promise<void> {
  const log = pino({ level: options.logLevel, base: { process: 'proxy' } });
  const native = loadNative();
  const { workers: count, maxSockets: most } = options;
  const use = { limit: descriptorLimit(), workers: count, ...(most === undefined ? {} : { most }) };
  const socketsBeside = (workloads: number): number => socketsPerWorker({ ...use, workloads });
  const ended = Promise.withResolvers<undefined>();
  const workers = new WorkerPool({
    script: new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url),
    local: (data, onFault) => new ProxyWorker(data, onFault),
    workers: count,
    maxSockets: socketsBeside(0),
    ringBytes: FLOW_RING_BYTES,
    onFault: (stack) => log.error({ stack }, 'a connection met a fault of the proxy'),
    // Its connections are gone; whoever looks after the process starts it again.
    onDeath: (error) => ended.reject(error),
  });
  const flows = new FlowStream(workers.rings);
  const tables = new TableStore();
  const supervisor = new Supervisor({
    version: version(),
    workers,
    listeners: new ListenerSet(native),
    publisherOf: (root) =>
      new Publisher({
        own_sockets: native.BpfMap.openPinned(join(root, 'own_sockets')),
        listeners: native.BpfMap.openPinned(join(root, 'listeners')),
        outbound_ports: native.BpfMap.openPinned(join(root, 'outbound_ports')),
      }),
    tables,
    state: new StateFile(options.state, tables),
    flows,
    log,
    drainMs: options.drainMs ?? DRAIN_MS,
    socketsBeside,
    sleep: (ms) => sleep(ms),
    onConfigured: () => {
      if (options.readyFile !== undefined) writeFileSync(options.readyFile, '');
    },
    onEnd: () => ended.resolve(undefined),
  });
  const pump = setInterval(() => flows.pump(), FLOW_PUMP_MS);
  const tend = setInterval(() => supervisor.tend(), TEND_MS);
  const control = new ControlServer(options.control, supervisor);
  try {
    // Our listeners are in the kernel's maps before the other proxy stops to accept: no connection falls between.
    await supervisor.restore();
    if (await askToDrain(options.control)) log.info({ control: options.control }, 'another proxy hands over');
    await control.open();
    log.info({ control: options.control, workers: options.workers }, 'ready');
    if (signal.aborted) supervisor.drain();
    signal.addEventListener('abort', () => supervisor.drain(), { once: true });
    await ended.promise;
  } finally {
    clearInterval(pump);
    clearInterval(tend);
    control.close();
    await workers.end();
  }
  if (options.standBy === true) await standBy(options.control, signal);
}

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return (manifest as { version: string }).version;
}
