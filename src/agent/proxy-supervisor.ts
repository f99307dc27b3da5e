// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { ProxyState } from '../api/ports.ts';
import type { ProxyStatus } from '../core/proxy/control.ts';
import { controlSocketName, stateFileName } from '../core/proxy/places.ts';
import { RepeatFilter, warnRepeated } from './log.ts';
import { ProxyClient } from './proxy-client.ts';
import type { ProxyPush } from './proxy-config.ts';
import type { Settings } from './settings.ts';

/** How often the proxy is looked at, ms: it is back within a second. */
const LOOK_MS = 250;

export interface SupervisorOptions {
  readonly settings: Settings;
  readonly log: Logger;
  /** How to start this program: the runtime and the entry point of the command line. */
  readonly command: readonly string[];
  readonly wanted: () => ProxyPush | undefined;
  readonly signal: AbortSignal;
}

/** Nobody listens on the control socket. */
function isAbsent(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  return code === 'ECONNREFUSED' || code === 'ENOENT';
}

const proxySocket = (settings: Settings): string => join(settings.runDirectory, controlSocketName);
const proxyStateFile = (settings: Settings): string => join(settings.runDirectory, stateFileName());

/**
 * Keeps a proxy there and its configuration current. The proxy is a process of its own session: it outlives
 * the agent, and an agent that starts finds it.
 */
export class ProxySupervisor {
  readonly client: ProxyClient;
  readonly #options: SupervisorOptions;
  readonly #repeats = new RepeatFilter();
  #status: ProxyStatus | undefined;
  #startedAt = Number.NEGATIVE_INFINITY;
  #spawned: ChildProcess | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.client = new ProxyClient(proxySocket(options.settings));
  }

  /** Finds a running proxy, or starts one; then looks after it until the signal. */
  async start(): Promise<void> {
    if (this.#options.settings.proxy === 'off') return;
    await this.#look();
    const again = (): void => {
      // A look that was under way at the end must not begin another.
      if (this.#options.signal.aborted) return;
      this.#timer = setTimeout(() => {
        void this.#look().finally(again);
      }, LOOK_MS);
    };
    again();
    this.#options.signal.addEventListener(
      'abort',
      () => {
        clearTimeout(this.#timer);
      },
      { once: true },
    );
  }

  /** Resolves once the proxy runs under this configuration, or did not take it. */
  async push(push: ProxyPush): Promise<void> {
    if (this.#options.settings.proxy === 'off') return;
    try {
      this.#saw(await this.client.putConfig(push));
    } catch (error) {
      const { log } = this.#options;
      // One that is not there yet, or any more, is told when it is.
      if (this.#status === undefined) return;
      warnRepeated(
        log,
        this.#repeats,
        'proxy',
        'the proxy did not take the configuration: it keeps its last one',
        error,
      );
    }
  }

  #saw(status: ProxyStatus): void {
    this.#status = status;
  }

  /** Whether the proxy has the configuration that is wanted; undefined: it is away, or none is wanted yet. */
  get isCurrent(): boolean | undefined {
    const status = this.#status;
    const wanted = this.#options.wanted();
    if (status === undefined || wanted === undefined) return undefined;
    return !status.draining && status.digest === wanted.config.digest;
  }

  state(): ProxyState {
    const { proxy: mode } = this.#options.settings;
    if (mode === 'off') return { mode, state: 'off' };
    const status = this.#status;
    if (status === undefined) return { mode, state: 'absent' };
    return {
      mode,
      state: status.draining ? 'draining' : 'running',
      pid: status.pid,
      version: status.version,
      revision: status.revision,
      workers: status.workers,
      connections: status.connections,
      rssBytes: status.rssBytes,
      problems: status.workloads.flatMap((workload) =>
        workload.error === undefined ? [] : [workload.error],
      ),
    };
  }

  async #look(): Promise<void> {
    const before = this.#status;
    try {
      this.#saw(await this.client.status());
    } catch (error) {
      if (!isAbsent(error)) {
        // Busy or stopped, but there: a second one would take its connections away.
        warnRepeated(this.#options.log, this.#repeats, 'proxy', 'the proxy does not answer in time', error);
        return;
      }
      this.#status = undefined;
    }
    if (this.#options.signal.aborted) return;
    if (this.#status === undefined) {
      if (before !== undefined) this.#options.log.warn({ proxyPid: before.pid }, 'the proxy is gone');
      this.#spawnIfDue();
      return;
    }
    const wanted = this.#options.wanted();
    if (
      wanted !== undefined &&
      (this.#status.digest !== wanted.config.digest || before?.pid !== this.#status.pid)
    ) {
      await this.push(wanted);
    }
  }

  /** A proxy that dies at once is not started in a tight loop. */
  #spawnIfDue(): void {
    const { settings, log, command } = this.#options;
    // One that was started and does not answer yet, or hangs, is not doubled.
    const last = this.#spawned;
    if (settings.proxy !== 'spawn' || performance.now() - this.#startedAt < 1000) return;
    if (last?.exitCode === null && last.signalCode === null) return;
    this.#startedAt = performance.now();
    const [program = process.execPath, ...rest] = command;
    const output = openSync(join(settings.runDirectory, 'proxy.log'), 'a', 0o600);
    const flags = [
      ...['--control', proxySocket(settings), '--state', proxyStateFile(settings)],
      ...['--workers', String(settings.proxyWorkers), '--log-level', settings.logLevel],
    ];
    const child = spawn(program, [...rest, 'proxy', ...flags], {
      detached: true,
      stdio: ['ignore', output, output],
      cwd: '/',
    });
    closeSync(output);
    child.once('error', (error) => {
      log.error({ err: error }, 'the proxy could not be started');
    });
    child.unref();
    this.#spawned = child;
    log.info({ proxyPid: child.pid }, 'started the proxy');
  }
}
