// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { type Dirent, statSync } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { checkCollection } from '../../../core/resources/collection.ts';
import type { Resource } from '../../../core/resources/kinds.ts';
import { type Manifest, parseManifest } from '../../../core/resources/manifest.ts';
import { type ResourceError, sortResourceErrors } from '../../../core/resources/resource-error.ts';
import { fileError, systemError } from './file-error.ts';

/** Longest file read. */
export const MAX_FILE_BYTES = 1024 * 1024;
/** Most documents of a folder together. */
export const MAX_DOCUMENTS = 10_000;

/** All resources of a folder at one moment. */
export interface Snapshot {
  readonly resources: readonly Resource[];
  /** Files read, relative to the folder, sorted. */
  readonly files: readonly string[];
  /** Changes with every change of any file's name or content. */
  readonly digest: string;
}

export type FolderRead = { readonly snapshot: Snapshot } | { readonly errors: readonly ResourceError[] };

/** What a file was parsed to. */
interface Parsed {
  /** Changes with every write to the file; undefined: it was read too soon after one to tell. */
  readonly stamp: string | undefined;
  readonly digest: string;
  readonly manifest: Manifest;
}

/** Remembers what unchanged files were parsed to. */
export type ManifestCache = Map<string, Parsed>;

/** Clocks of file systems tick: two writes within this time may leave one and the same stamp, ms. */
const TICK_MS = 50;

/**
 * Reads every manifest of a folder and of the folders in it, one level deep. It is all or nothing: with any
 * error anywhere there is no snapshot.
 */
export async function readFolder(directory: string, cache: ManifestCache = new Map()): Promise<FolderRead> {
  const listed = await listManifests(directory);
  if ('errors' in listed) return listed;
  const errors: ResourceError[] = [];
  const resources: Resource[] = [];
  const hash = createHash('sha256');
  let documents = 0;
  for (const file of listed.files) {
    const parsed = await parseFile(directory, file, cache);
    if ('error' in parsed) {
      errors.push(parsed.error);
      continue;
    }
    const { digest, manifest } = parsed;
    hash.update(`${file}\0${digest}\0`);
    documents += manifest.documents;
    if (documents > MAX_DOCUMENTS) {
      errors.push(fileError(file, `the folder has more than ${MAX_DOCUMENTS} documents up to here`));
      break;
    }
    errors.push(...manifest.errors);
    resources.push(...manifest.resources);
  }
  const files = new Set(listed.files);
  for (const file of cache.keys()) if (!files.has(file)) cache.delete(file);
  errors.push(...checkCollection(resources));
  if (errors.length > 0) return { errors: sortResourceErrors(errors) };
  return { snapshot: { resources, files: listed.files, digest: hash.digest('hex') } };
}

/** A file that carries the stamp of its last reading is not opened, one that reads the same is not parsed. */
async function parseFile(
  directory: string,
  file: string,
  cache: ManifestCache,
): Promise<Parsed | { readonly error: ResourceError }> {
  const stamp = stampOf(join(directory, file));
  const known = cache.get(file);
  if (stamp !== undefined && known?.stamp === stamp) return known;
  const read = await readManifest(directory, file);
  if ('error' in read) {
    cache.delete(file);
    return read;
  }
  const digest = createHash('sha256').update(read.text).digest('hex');
  const manifest = known?.digest === digest ? known.manifest : parseManifest(read.text, file);
  const parsed = { stamp, digest, manifest };
  cache.set(file, parsed);
  return parsed;
}

/** Of the file that a link leads to. Nobody can set a change time but by changing the file. */
function stampOf(path: string): string | undefined {
  const now = Date.now();
  try {
    const { dev, ino, size, mtimeNs, ctimeMs, ctimeNs } = statSync(path, { bigint: true });
    return now - Number(ctimeMs) < TICK_MS ? undefined : [dev, ino, size, mtimeNs, ctimeNs].join(':');
  } catch {
    return undefined; // reading it says what is wrong
  }
}

async function listManifests(
  directory: string,
): Promise<{ readonly files: string[] } | { readonly errors: ResourceError[] }> {
  const files: string[] = [];
  try {
    for (const entry of await list(directory)) {
      if (await isFolder(directory, entry)) {
        const inner = await list(join(directory, entry.name));
        files.push(...inner.filter(isManifest).map(({ name }) => join(entry.name, name)));
      } else if (isManifest(entry)) files.push(entry.name);
    }
  } catch (error) {
    return { errors: [systemError('', directory, error)] };
  }
  return { files: files.sort() };
}

/** Without hidden entries: editors' swap files, and what a ConfigMap mount keeps its versions in. */
async function list(directory: string): Promise<Dirent[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  return entries.filter(({ name }) => !name.startsWith('.'));
}

async function isFolder(directory: string, entry: Dirent): Promise<boolean> {
  if (!entry.isSymbolicLink()) return entry.isDirectory();
  try {
    return (await stat(join(directory, entry.name))).isDirectory();
  } catch {
    return false; // a dangling link: reading it as a file says so
  }
}

function isManifest({ name }: Dirent): boolean {
  return /\.ya?ml$/.test(name) && !basename(name).startsWith('#');
}

async function readManifest(
  directory: string,
  file: string,
): Promise<{ readonly text: string } | { readonly error: ResourceError }> {
  const path = join(directory, file);
  try {
    // Asked before it is opened: opening a FIFO waits for a writer.
    if (!(await stat(path)).isFile()) return { error: fileError(file, 'is not a regular file') };
    const bytes = await readBounded(path);
    if (bytes === undefined) return { error: fileError(file, 'is longer than 1 MiB', 'split the file') };
    // Editors and `>` truncate before they write: what is about to be filled must not count as removed.
    if (bytes.length === 0)
      return { error: fileError(file, 'is empty', 'remove the file, or put a comment in it') };
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch (error) {
    if (error instanceof TypeError) return { error: fileError(file, 'is not UTF-8 text') };
    return { error: systemError(file, path, error) };
  }
}

async function readBounded(path: string): Promise<Uint8Array | undefined> {
  await using handle = await open(path, 'r');
  const buffer = Buffer.allocUnsafe(MAX_FILE_BYTES + 1);
  let length = 0;
  while (length < buffer.length) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length, length);
    if (bytesRead === 0) return buffer.subarray(0, length);
    length += bytesRead;
  }
  return undefined;
}
