// SPDX-License-Identifier: Apache-2.0
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface RotatingFileOptions {
  readonly path: string;
  /** A file that would grow beyond this is put aside first. */
  readonly maxBytes: number;
  /** How many files that were put aside are kept, as `path.1` (the newest) to `path.N`. */
  readonly backups: number;
}

/** A file of lines that never holds half a line and never takes more than its share of the disk. */
export class RotatingFile {
  readonly #options: RotatingFileOptions;
  #file: FileHandle | undefined;
  #size = 0;

  constructor(options: RotatingFileOptions) {
    this.#options = options;
  }

  /** Appends whole lines. If it fails nothing of them is there, and the next attempt opens the file anew. */
  async append(lines: Buffer): Promise<void> {
    const { maxBytes } = this.#options;
    try {
      const file = await this.#open();
      if (this.#size > 0 && this.#size + lines.length > maxBytes) await this.#rotate();
      await this.#write(this.#file ?? file, lines);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async #open(): Promise<FileHandle> {
    if (this.#file !== undefined) return this.#file;
    const { path } = this.#options;
    await mkdir(dirname(path), { recursive: true, mode: 0o750 });
    // Flows name who talks to whom: for the owner and its group.
    this.#file = await open(path, 'a', 0o640);
    this.#size = (await this.#file.stat()).size;
    return this.#file;
  }

  async #write(file: FileHandle, lines: Buffer): Promise<void> {
    let written = 0;
    try {
      while (written < lines.length) written += (await file.write(lines, written)).bytesWritten;
    } catch (error) {
      // A full disk takes half of it: that half goes.
      if (written > 0) await file.truncate(this.#size);
      throw error;
    }
    this.#size += lines.length;
  }

  async #rotate(): Promise<void> {
    const { path, backups } = this.#options;
    await this.close();
    if (backups === 0) await rm(path, { force: true });
    for (let index = backups; index > 0; index -= 1) {
      const from = index === 1 ? path : `${path}.${String(index - 1)}`;
      await rename(from, `${path}.${String(index)}`).catch((error: unknown) => {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      });
    }
    await this.#open();
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close().catch(() => undefined);
  }
}
