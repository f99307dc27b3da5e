// SPDX-License-Identifier: Apache-2.0
// A real Prometheus (make build/test-tools/prometheus).
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './lab.ts';

const tools = join(import.meta.dirname, '../../build/test-tools');
export const promtool = join(tools, 'promtool');

/** A sample or, of an instant query, a series with its value. */
export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

/** A series with those of its samples that name a trace. */
export interface Exampled {
  readonly seriesLabels: Readonly<Record<string, string>>;
  readonly exemplars: readonly {
    readonly labels: Readonly<Record<string, string>>;
    readonly value: string;
  }[];
}

/** A port of the loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Scrapes one target every second. */
export class Prometheus {
  readonly #folder: string;
  readonly #child: ChildProcess;
  readonly #url: string;

  private constructor(folder: string, child: ChildProcess, url: string) {
    this.#folder = folder;
    this.#child = child;
    this.#url = url;
  }

  static async start(target: string): Promise<Prometheus> {
    const folder = mkdtempSync(join(tmpdir(), 'perigee-prometheus-'));
    const config = join(folder, 'prometheus.yaml');
    writeFileSync(
      config,
      `global: {scrape_interval: 1s}
scrape_configs: [{job_name: perigee, static_configs: [{targets: ['${target}']}]}]
`,
    );
    const address = `127.0.0.1:${String(await freePort())}`;
    const child = spawn(
      join(tools, 'prometheus'),
      [
        `--config.file=${config}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        `--web.listen-address=${address}`,
        '--enable-feature=exemplar-storage',
        '--log.level=error',
      ],
      { stdio: ['ignore', 'inherit', 'inherit'] },
    );
    const prometheus = new Prometheus(folder, child, `http://${address}`);
    await until('Prometheus to be ready', async () => {
      const response = await fetch(`http://${address}/-/ready`).catch(() => undefined);
      return response?.status === 200;
    });
    return prometheus;
  }

  async #ask<Data>(path: string, parameters: Readonly<Record<string, string>>): Promise<Data> {
    const response = await fetch(`${this.#url}/api/v1/${path}`, {
      method: 'POST',
      body: new URLSearchParams(parameters),
    });
    const answer = (await response.json()) as { error?: string; data?: Data };
    if (answer.data === undefined)
      throw new Error(`${JSON.stringify(parameters)}: ${answer.error ?? 'no answer'}`);
    return answer.data;
  }

  /** What an instant query finds now. */
  async query(expression: string): Promise<readonly Series[]> {
    return (await this.#ask<{ result: readonly Series[] }>('query', { query: expression })).result;
  }

  /** Exemplars of the series that an expression names, of the last ten minutes. */
  async exemplars(expression: string): Promise<readonly Exampled[]> {
    const now = Date.now() / 1000;
    const range = { start: String(now - 600), end: String(now + 60) };
    return this.#ask('query_exemplars', { query: expression, ...range });
  }

  async end(): Promise<void> {
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGTERM');
    await gone;
    rmSync(this.#folder, { recursive: true });
  }
}

export interface BoardPanel {
  readonly title: string;
  readonly type: string;
  readonly fieldConfig?: { readonly defaults: { readonly noValue?: string } };
  readonly targets?: readonly { readonly expr: string }[];
}

export interface GrafanaBoard {
  readonly title: string;
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: string }[] };
  readonly panels: readonly BoardPanel[];
}

const files = join(import.meta.dirname, '../../charts/perigee/files');
export const alertsFile = join(files, 'alerts.yaml');

/** A dashboard as the chart ships it. */
export function shippedBoard(name: 'nodes' | 'traffic'): GrafanaBoard {
  return JSON.parse(readFileSync(join(files, `dashboards/${name}.json`), 'utf8')) as GrafanaBoard;
}
