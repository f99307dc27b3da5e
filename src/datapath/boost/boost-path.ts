// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { boostLook, boostSettings } from '../../core/abi/boost.ts';
import { PerigeeError, messageOf } from '../../lib/errors.ts';
import { hasFeature, kernelFeatures } from '../features.ts';
import { type LoaderOptions, openObject } from '../loader.ts';
import type { Maps } from '../maps.ts';
import type { BpfLink, BpfObject, Native } from '../native.ts';
import { tryBoost } from './self-test.ts';
import { readBoostRefusals, removeBoostRefusals } from './counts.ts';

const ZERO = new Uint8Array(4);
/** How often connections that wait are looked at, and how often when none is known to wait, ms. */
const WALK_MS = 200;
const IDLE_MS = 5000;
/** Until those that leave are looked at again, ms: they take TCP at more than TCP's price. */
const SOON_MS = 25;
/** Edge-triggered readers lean on the walk: without one for this long, ms, they are sent nothing past TCP. */
const ATTENDED_MS = 1000;

/** Why no connection is boosted, though some workload asks for it. */
export interface BoostOff {
  /** `Setting`: it's to be off. `KernelLacks`, `LoadFailed`: it can't be had. `Misbehaves`: tried, and not as it should be. */
  readonly reason: 'Setting' | 'KernelLacks' | 'LoadFailed' | 'Misbehaves';
  readonly message: string;
}

/** A namespace that is enrolled. */
export interface BoostNamespace {
  readonly netnsFd: number;
  /** Numeric name of the workload. */
  readonly workload: number;
  /** Its workload asks for boost. */
  readonly boost: boolean;
}

export interface BoostOptions extends Pick<LoaderOptions, 'native' | 'layout' | 'objects'> {
  readonly maps: Maps;
  readonly namespaces: () => readonly BoostNamespace[];
}

/** What is loaded while some workload asks for boost. */
interface Loaded {
  readonly object: BpfObject;
  readonly walk: BpfLink;
  readonly reader: BpfLink;
}

/**
 * Lets connections within this node into the map of sockets, where messages pass TCP by, and out of it again
 * (bpf/boost.bpf.c). While no agent runs, those that are in stay in and none is added.
 */
export class BoostPath {
  readonly #options: BoostOptions;
  #off: BoostOff | undefined;
  #loaded: Loaded | undefined;
  #timer: NodeJS.Timeout | undefined;
  #soon: NodeJS.Timeout | undefined;
  /** Some end has to be looked at again. */
  #again = false;
  #calls = 0n;
  #walkedAt = Number.NEGATIVE_INFINITY;
  /** The kernel has shown that it behaves. */
  #tried = false;
  #trying = false;

  constructor(options: BoostOptions, off?: BoostOff) {
    this.#options = options;
    this.#off = off ?? lackOf(options.native);
  }

  /** Why it is off; undefined: it isn't. */
  get off(): BoostOff | undefined {
    return this.#off;
  }

  /** Connections that are opened from now on may be boosted. */
  get active(): boolean {
    return this.#settings().enabled !== 0;
  }

  /** After the maps are in force. */
  settle(): void {
    this.#forget();
    const wanted = this.#off === undefined && this.#options.namespaces().some(({ boost }) => boost);
    this.#again = true;
    if (wanted && this.#loaded === undefined) this.#load();
    if (wanted && this.#loaded !== undefined && !this.#tried) {
      void this.#try(this.#loaded.object);
      return;
    }
    if (this.#loaded === undefined) {
      if (this.#settings().enabled !== 0) this.#enable(false);
      return;
    }
    this.#enable(wanted);
    this.#timer ??= setInterval(() => this.walk(), WALK_MS).unref();
  }

  /** One look at those that wait. What asks for no boost any more leaves in two looks, a moment apart. */
  walk(): void {
    const { enabled } = this.#settings();
    if (enabled !== 0) this.#enable(true);
    const calls = this.#options.maps.boost_calls.lookup(ZERO)?.readBigUInt64LE() ?? 0n;
    const idle = !this.#again && calls === this.#calls;
    if (this.#loaded === undefined || (idle && performance.now() - this.#walkedAt < IDLE_MS)) return;
    const { walk } = this.#loaded;
    // All of them: a proxy's sockets live where its clients do, and some ends may have to leave.
    const namespaces = this.#options.namespaces();
    try {
      const looks = Buffer.concat(namespaces.map(({ netnsFd }) => walk.iterate(netnsFd)));
      this.#again = looks.length > 0;
      if (looks.includes(boostLook.soon)) this.#walkSoon();
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#calls = calls;
    this.#walkedAt = performance.now();
    if (enabled === 0 && !this.#again) this.#unload();
  }

  #walkSoon(): void {
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      this.walk();
    }, SOON_MS).unref();
  }

  /** Lets go of the descriptors: what is pinned goes on. */
  close(): void {
    clearInterval(this.#timer);
    clearTimeout(this.#soon);
    this.#timer = undefined;
    this.#soon = undefined;
    this.#loaded?.walk.close();
    this.#loaded?.reader.close();
    this.#loaded?.object.close();
    this.#loaded = undefined;
  }

  #settings(): ReturnType<typeof boostSettings.decode> {
    const value = this.#options.maps.boost_settings.lookup(ZERO);
    return boostSettings.decode(value ?? new Uint8Array(boostSettings.size));
  }

  /** What was found out about a workload holds until it asks for boost no more. */
  #forget(): void {
    const { maps, namespaces } = this.#options;
    const asking = new Set(namespaces().flatMap(({ boost, workload }) => (boost ? [workload] : [])));
    const stale = readBoostRefusals(maps).filter(({ workload }) => !asking.has(workload));
    removeBoostRefusals(maps, stale);
  }

  /** Says, too, that somebody walks. */
  #enable(wanted: boolean): void {
    const attended = process.hrtime.bigint() + BigInt(ATTENDED_MS) * 1_000_000n;
    const settings = { enabled: wanted ? 1 : 0, attended };
    this.#options.maps.boost_settings.update(ZERO, boostSettings.encode(settings));
  }

  #load(): void {
    const object = openObject(this.#options, 'boost');
    try {
      object.load();
      using sockets = object.map('boost_sockets');
      using message = object.program('boost_message');
      using walker = object.program('boost_walk');
      using watcher = object.program('boost_reader');
      const reader = watcher.attachTracing();
      this.#unpin(); // an earlier agent's
      mkdirSync(folder(this.#options.layout.version), { recursive: true, mode: 0o700 });
      reader.pin(this.#pin('boost_reader'));
      message.attachSkMsg(sockets);
      message.pin(this.#pin('boost_message'));
      this.#loaded = { object, reader, walk: walker.attachIterator() };
    } catch (error) {
      object.close();
      this.#fail(error);
    }
  }

  /** Nobody is in the map any more. */
  #unload(): void {
    this.close();
    stopBoost(this.#options.native, this.#options.layout.version);
    this.#unpin();
  }

  async #try(object: BpfObject): Promise<void> {
    if (this.#trying) return;
    this.#trying = true;
    try {
      await tryBoost(this.#options.native, object);
      this.#tried = true;
    } catch (error) {
      const message = messageOf(error);
      this.#off = { reason: 'Misbehaves', message };
    }
    this.#trying = false;
    if (this.#loaded?.object === object) this.settle();
  }

  #pin(name: string): string {
    return join(folder(this.#options.layout.version), name);
  }

  #unpin(): void {
    rmSync(folder(this.#options.layout.version), { recursive: true, force: true });
  }

  #fail(error: unknown): void {
    if (!(error instanceof PerigeeError)) throw error;
    this.#off = { reason: 'LoadFailed', message: error.message };
    this.#enable(false);
  }
}

function folder(version: string): string {
  return join(version, 'boost');
}

/**
 * Nothing passes TCP by from here on. What is still in the map works on over TCP until it is closed, and takes map
 * and program along.
 */
export function stopBoost(native: Native, version: string): void {
  const path = join(folder(version), 'boost_message');
  if (!existsSync(path)) return;
  const maps = join(version, 'maps');
  using settings = native.BpfMap.openPinned(join(maps, 'boost_settings'));
  // Of whichever version: all of it is zero.
  settings.update(ZERO, new Uint8Array(settings.entrySize));
  using sockets = native.BpfMap.openPinned(join(maps, 'boost_sockets'));
  using message = native.BpfProgram.openPinned(path);
  message.detachSkMsg(sockets);
}

function lackOf(native: Native): BoostOff | undefined {
  if (hasFeature(native, 'KERNEL_READS')) return undefined;
  return { reason: 'KernelLacks', message: kernelFeatures.KERNEL_READS.without };
}
