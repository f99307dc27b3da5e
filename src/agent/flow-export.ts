// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { filtersFromWire } from '../api/filter-from-wire.ts';
import { jsonpbData } from '../api/flow-json.ts';
import { responseOf } from '../api/observer-service.ts';
import type { FlowQuery, FlowSource } from '../core/flow-filter.ts';
import { jsonText } from '../lib/json-text.ts';
import { PerigeeError, messageOf } from '../lib/errors.ts';
import { RotatingFile } from './rotating-file.ts';
import type { Settings } from './settings.ts';

/** Lines are written together: when so many bytes wait, or the first of them for so long, ms. */
const BATCH_BYTES = 256 * 1024;
const BATCH_MS = 250;

/** Flows by what became of them on their way to the file. */
export type ExportOutcome = 'written' | 'failed' | 'missed';

/** The query of the settings. Throws ERR_SETTINGS_INVALID. */
export function exportQuery({ allow, deny }: Settings['flowExport'], node: string): FlowQuery {
  try {
    return {
      include: filtersFromWire(allow, 'whitelist', node),
      exclude: filtersFromWire(deny, 'blacklist', node),
      end: 'newest',
      limit: 0,
      follow: true,
    };
  } catch (error) {
    if (!(error instanceof PerigeeError)) throw error;
    const hint = error.hint === undefined ? {} : { hint: error.hint };
    throw new PerigeeError('ERR_SETTINGS_INVALID', `setting flowExport: ${error.message}`, {
      ...hint,
      cause: error,
    });
  }
}

export interface FlowExportOptions {
  readonly settings: Settings['flowExport'];
  readonly node: string;
  readonly flows: FlowSource;
  readonly log: Pick<Logger, 'warn' | 'info'>;
}

/**
 * Writes flows to a file as they come, a line of JSON each, as Hubble exports them. A file that can't be written costs
 * the flows, which are counted, and nothing else.
 */
export class FlowExport {
  readonly counts: Record<ExportOutcome, number> = { written: 0, failed: 0, missed: 0 };
  readonly #options: FlowExportOptions;
  readonly #file: RotatingFile;
  readonly #query: FlowQuery;
  #lines: string[] = [];
  #bytes = 0;
  #flows = 0;
  /** Why the last attempt failed; told once until it works again. */
  #failure: string | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: FlowExportOptions) {
    const { settings, node } = options;
    this.#options = options;
    this.#query = exportQuery(settings, node);
    const { file: path, maxBytes, backups } = settings;
    this.#file = new RotatingFile({ path, maxBytes, backups });
  }

  /** Goes on until the signal; resolves when the last line is written. */
  async run(signal: AbortSignal): Promise<void> {
    const { flows, node } = this.#options;
    const timer = this.#tick(signal);
    for await (const event of flows.query(this.#query, signal)) {
      if (event.type === 'lost' && event.source === 'store') this.counts.missed += event.count;
      this.#add(jsonText(jsonpbData(responseOf(event, node))), event.type === 'flow');
      if (this.#bytes >= BATCH_BYTES) await this.#flush();
    }
    await timer;
    await this.#flush();
    await this.#file.close();
  }

  async #tick(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(BATCH_MS, undefined, { signal }).catch(() => undefined);
      await this.#flush();
    }
  }

  #add(line: string, isFlow: boolean): void {
    this.#lines.push(line);
    this.#bytes += line.length + 1;
    if (isFlow) this.#flows += 1;
  }

  /** One after the other: the timer and a full batch may ask at once. */
  #flush(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#writeAll());
    return this.#writing;
  }

  async #writeAll(): Promise<void> {
    if (this.#lines.length === 0) return;
    const text = Buffer.from(`${this.#lines.join('\n')}\n`);
    const flows = this.#flows;
    this.#lines = [];
    this.#bytes = this.#flows = 0;
    try {
      await this.#file.append(text);
      this.counts.written += flows;
      this.#succeeded();
    } catch (error) {
      this.counts.failed += flows;
      this.#failed(error);
    }
  }

  #succeeded(): void {
    const { log, settings } = this.#options;
    if (this.#failure !== undefined) log.info({ file: settings.file }, 'flows are exported again');
    this.#failure = undefined;
  }

  #failed(error: unknown): void {
    const { log, settings } = this.#options;
    const failure = messageOf(error);
    if (failure === this.#failure) return;
    this.#failure = failure;
    log.warn(
      { file: settings.file, err: error },
      'flows can not be exported; each is counted as failed until they can',
    );
  }
}
