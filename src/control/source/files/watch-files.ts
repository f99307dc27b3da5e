// SPDX-License-Identifier: Apache-2.0
import { stat } from 'node:fs/promises';
import { type FSWatcher, watch } from 'chokidar';
import { formatResourceError, type ResourceError } from '../../../core/resources/resource-error.ts';
import { PerigeeError } from '../../../lib/errors.ts';
import { type ManifestCache, readFolder, type Snapshot } from './read-folder.ts';

/** What the watcher needs of timers; `globalThis` is one. */
export interface Timers {
  setTimeout(callback: () => void, delayMs: number): unknown;
  clearTimeout(timer: unknown): void;
}

export interface WatchFilesOptions {
  readonly directory: string;
  /** Ends the watch; no callback comes after it. */
  readonly signal: AbortSignal;
  /** A whole good state: at the start, after every change, and once more when errors are gone. */
  readonly onSnapshot: (snapshot: Snapshot) => void;
  /** The folder can't be used as it is; the last snapshot stays in force. Not repeated while nothing changes. */
  readonly onErrors: (errors: readonly ResourceError[]) => void;
  readonly timers?: Timers;
}

/** From the first sign of a change to reading the folder, ms: saving a file makes several events at once. */
const SETTLE_MS = 15;
/** How often the folder is checked for being another one, ms: that happens outside of what is watched. */
const CHECK_MS = 500;

/**
 * Watches a folder of manifests. Resolves when the first read is done and later changes will be seen; rejects
 * if the folder isn't there. Broken files reject nothing: they are reported and the watch goes on.
 */
export async function watchFiles(options: WatchFilesOptions): Promise<void> {
  const source = new FilesSource(options);
  await source.start();
}

/** Device and inode of what the path leads to; empty if it leads nowhere. */
async function identityOf(path: string): Promise<string> {
  try {
    const { dev, ino } = await stat(path);
    return `${dev}:${ino}`;
  } catch {
    return '';
  }
}

class FilesSource {
  readonly #options: WatchFilesOptions;
  readonly #timers: Timers;
  readonly #cache: ManifestCache = new Map();
  #watcher: FSWatcher | undefined;
  #timer: unknown;
  #check: unknown;
  /** Which folder the path led to when it was last watched. */
  #place = '';
  #reading = false;
  #dirty = false;
  #digest: string | undefined;
  #reported = '';

  constructor(options: WatchFilesOptions) {
    this.#options = options;
    this.#timers = options.timers ?? globalThis;
  }

  async start(): Promise<void> {
    const { directory, signal } = this.#options;
    if (signal.aborted) return;
    signal.addEventListener('abort', () => void this.#stop(), { once: true });
    this.#place = await identityOf(directory);
    await this.#watch();
    const read = await readFolder(directory, this.#cache);
    const missing = 'errors' in read ? read.errors.find(({ file }) => file === directory) : undefined;
    if (missing !== undefined) {
      await this.#stop();
      throw new PerigeeError('ERR_CONFIG_FOLDER', `${directory} ${missing.message}`, {
        object: directory,
        ...(missing.hint === undefined ? {} : { hint: missing.hint }),
      });
    }
    this.#deliver(read);
    this.#checkPlace();
  }

  /** A link to the folder that is turned to another one, or a folder removed and made again, tells nobody. */
  #checkPlace(): void {
    if (this.#options.signal.aborted) return;
    this.#check = this.#timers.setTimeout(() => {
      void identityOf(this.#options.directory).then((place) => {
        if (place !== this.#place) this.#changed();
        this.#checkPlace();
      });
    }, CHECK_MS);
  }

  /** Resolves when changes from now on will be seen. */
  async #watch(): Promise<void> {
    const { directory, signal } = this.#options;
    await this.#watcher?.close();
    if (signal.aborted) return;
    const watcher = watch(directory, { depth: 1, ignoreInitial: true, ignorePermissionErrors: true });
    this.#watcher = watcher;
    watcher.on('all', () => this.#changed());
    // The `..data` link of a ConfigMap mount is replaced without any file of the folder changing: only the
    // bare notification tells.
    watcher.on('raw', () => this.#changed());
    // Files that can't be watched can't be read either, and reading says it better.
    watcher.on('error', () => this.#changed());
    await new Promise<void>((resolve) => {
      watcher.once('ready', resolve);
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  async #stop(): Promise<void> {
    this.#timers.clearTimeout(this.#timer);
    this.#timers.clearTimeout(this.#check);
    await this.#watcher?.close();
  }

  #changed(): void {
    this.#dirty = true;
    this.#schedule(SETTLE_MS);
  }

  /** The first event sets the time: a folder that never rests is read all the same. */
  #schedule(delayMs: number): void {
    if (this.#timer !== undefined || this.#reading || this.#options.signal.aborted) return;
    this.#timer = this.#timers.setTimeout(() => {
      this.#timer = undefined;
      void this.#read();
    }, delayMs);
  }

  async #read(): Promise<void> {
    this.#reading = true;
    this.#dirty = false;
    const read = await readFolder(this.#options.directory, this.#cache);
    const gone = 'errors' in read && read.errors.some(({ file }) => file === this.#options.directory);
    // A folder that was removed and made again is another one: what watched the first sees nothing of it.
    const place = await identityOf(this.#options.directory);
    if (gone || place !== this.#place) {
      this.#place = place;
      await this.#watch();
      this.#dirty = true;
    }
    this.#reading = false;
    if (this.#options.signal.aborted) return;
    this.#deliver(read);
    if (gone) this.#schedule(CHECK_MS);
    else if (this.#dirty) this.#schedule(SETTLE_MS);
  }

  #deliver(read: Awaited<ReturnType<typeof readFolder>>): void {
    if (this.#options.signal.aborted) return;
    if ('errors' in read) {
      const text = read.errors.map(formatResourceError).join('\n');
      if (text === this.#reported) return;
      this.#reported = text;
      this.#options.onErrors(read.errors);
      return;
    }
    const { digest } = read.snapshot;
    if (digest === this.#digest && this.#reported === '') return;
    this.#digest = digest;
    this.#reported = '';
    this.#options.onSnapshot(read.snapshot);
  }
}
