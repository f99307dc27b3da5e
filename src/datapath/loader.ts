// SPDX-License-Identifier: Apache-2.0
import { closeSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { rejectReason } from '../core/http/reject-reason.ts';
import { Reject } from '../core/http/reasons.ts';
import { featureSwitches } from './features.ts';
import type { BoostOff } from './boost/boost-path.ts';
import type { InlineOff } from './inline/inline-path.ts';
import { type Hook, type PinLayout, hookLink, hooks, lookupHook, lookupLink } from './layout.ts';
import { mapNames } from './maps.ts';
import type { BpfLink, BpfObject, BpfProgram, Native } from './native.ts';
import { ProgramPins } from './program-pins.ts';

export interface LoaderOptions {
  readonly native: Native;
  readonly layout: PinLayout;
  /** Folder of the compiled objects, `*.bpf.o`. */
  readonly objects: string;
  /** Folder of the cgroup2 below which sockets are governed; the proxy must live there, too. */
  readonly cgroup: string;
  /** Why HTTP policy must not be decided in the kernel; absent: it may. */
  readonly inlineOff?: InlineOff;
  /** Programs that need not be loaded again; absent: all are. */
  readonly programs?: ProgramPins;
  /** Why messages must not pass TCP by; absent: they may where workloads ask for it. */
  readonly boostOff?: BoostOff;
  /** Which requests the kernel records; absent: all. */
  readonly requestFlows?: 'all' | 'refused';
  /** Whether answers of DNS are copied: wherever there are workloads, or where datagrams are looked at anyway; absent: auto. */
  readonly dnsNames?: 'on' | 'auto' | 'off';
}

/** What loading did: a hook is attached anew, its program replaced behind the pinned link, or in force already. */
export interface LoadReport {
  readonly kept: readonly string[];
  readonly attached: readonly string[];
  readonly replaced: readonly string[];
  /** Instructions the verifier walked, by program. */
  readonly instructions: Readonly<Record<string, number>>;
}

/** By reason of the automaton, that of the kernel. */
const rejectReasons = Object.values(Reject).map((rejected) => [rejected, rejectReason(rejected)] as const);

/** Constants that one object's programs take from user space. */
function configure(object: BpfObject, name: string): void {
  if (name !== 'inline') return;
  const constants = object.readOnlyData();
  for (const [rejected, reason] of rejectReasons) constants.writeUInt16LE(reason, rejected * 2);
  object.setReadOnlyData(constants);
}

type ObjectOptions = Pick<LoaderOptions, 'native' | 'layout' | 'objects' | 'requestFlows' | 'dnsNames'>;

/** What all programs are loaded with, in the form of a kernel configuration. */
function switches({ native, requestFlows = 'all', dnsNames = 'auto' }: ObjectOptions): string {
  const chosen = { REFUSED_REQUESTS_ONLY: requestFlows === 'refused', DNS_NAMES: dnsNames !== 'off' };
  const lines = Object.entries(chosen).map(([name, isOn]) => `CONFIG_PERIGEE_${name}=${isOn ? 'y' : 'n'}\n`);
  return `${featureSwitches(native)}${lines.join('')}`;
}

/** Where programs of this build are found again. */
export function programPins(options: ObjectOptions): ProgramPins {
  return new ProgramPins(options, [switches(options), JSON.stringify(rejectReasons)]);
}

/** An object whose maps are the pinned ones; not loaded yet. */
export function openObject(options: ObjectOptions, name: string): BpfObject {
  const path = join(options.objects, `${name}.bpf.o`);
  const kconfig = switches(options);
  return options.native.BpfObject.open(path, { pinRoot: options.layout.maps, kconfig });
}

/** Folders of the pins, on a bpffs that is mounted when it is not. */
export function ensurePinFolders({ native, layout }: Pick<LoaderOptions, 'native' | 'layout'>): void {
  const mountPoint = dirname(layout.root);
  if (!existsSync(mountPoint)) mkdirSync(mountPoint, { recursive: true });
  native.mountBpffs(mountPoint);
  for (const folder of [layout.root, layout.version, layout.maps, layout.links, layout.programs]) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }
}

/** A link that is attached elsewhere, or to nothing, can't be taken over. */
function takeOver(native: Native, path: string, target: Partial<{ cgroupId: bigint }>): BpfLink | undefined {
  if (!existsSync(path)) return undefined;
  const link = native.BpfLink.openPinned(path);
  const { cgroupId, netnsIno } = link.info();
  const alive = target.cgroupId === undefined ? netnsIno !== 0 : cgroupId === target.cgroupId;
  if (alive) return link;
  link.detach();
  link.unpin();
  link.close();
  return undefined;
}

function attachHook(options: LoaderOptions, hook: Hook, program: BpfProgram, cgroupFd: number): boolean {
  const { native, layout } = options;
  const path = hookLink(layout, hook);
  using link = takeOver(native, path, { cgroupId: native.cgroup.id(options.cgroup) });
  if (link !== undefined) link.update(program);
  else {
    using fresh = program.attachCgroup(cgroupFd);
    fresh.pin(path);
  }
  // Last: only what is attached may be taken for it.
  options.programs?.keep(hook.program, program);
  return link === undefined;
}

/**
 * Loads the hooks that are always there, and those that an earlier agent left because its state needed them:
 * whether the next one does is known when it is applied.
 */
export function loadHooks(options: LoaderOptions): LoadReport {
  ensurePinFolders(options);
  const { native, layout } = options;
  const chosen = hooks.filter((hook) => hook.needs === undefined || existsSync(hookLink(layout, hook)));
  const report = keptHooks(options, chosen) ?? replaceHooks(options, chosen);
  for (const name of retiredHooks(layout)) detachLink(native, join(layout.links, name));
  return report;
}

/** The hooks, if an earlier agent of this very build has left all of them in force, with all their maps. */
function keptHooks(options: LoaderOptions, chosen: readonly Hook[]): LoadReport | undefined {
  const { native, layout, programs } = options;
  if (mapNames.some((name) => !existsSync(join(layout.maps, name)))) return undefined;
  const ours = native.cgroup.id(options.cgroup);
  const instructions: Record<string, number> = {};
  for (const hook of chosen) {
    const path = hookLink(layout, hook);
    using program = programs?.open(hook.program);
    if (program === undefined || !existsSync(path)) return undefined;
    using link = native.BpfLink.openPinned(path);
    const { cgroupId, programId } = link.info();
    if (cgroupId !== ours || programId !== program.id) return undefined;
    instructions[hook.program] = program.verifiedInstructions;
  }
  return { kept: chosen.map(({ program }) => program), attached: [], replaced: [], instructions };
}

/** All or nothing: what is found pinned later is of the same load, with the same maps. */
function replaceHooks(options: LoaderOptions, chosen: readonly Hook[]): LoadReport {
  options.programs?.clear();
  return attachHooks(options, chosen);
}

/** Links of hooks that an earlier version had and this one has not. Those of namespaces carry a number. */
function retiredHooks(layout: PinLayout): string[] {
  const known = new Set(hooks.map(({ program }) => program));
  return readdirSync(layout.links).filter((name) => !known.has(name) && !/-\d+$/.test(name));
}

/** Objects whose programs are verified and in the kernel, by name; attached or not. */
export type LoadedObjects = ReadonlyMap<string, BpfObject>;

/** Loads the programs of hooks, which takes the verifier up to a second, and attaches nothing. */
export function loadPrograms(options: LoaderOptions, chosen: readonly Hook[]): LoadedObjects {
  const programs = new Set(chosen.map((hook) => hook.program));
  const objects = new Map<string, BpfObject>();
  try {
    for (const name of new Set(chosen.map((hook) => hook.object))) {
      const object = openObject(options, name);
      objects.set(name, object);
      configure(object, name);
      for (const program of object.programs) object.setAutoload(program, programs.has(program));
      object.load();
    }
  } catch (error) {
    closeObjects(objects);
    throw error;
  }
  return objects;
}

export function closeObjects(objects: LoadedObjects): void {
  for (const object of objects.values()) object.close();
}

/**
 * Loads hooks and attaches them, or replaces the program behind a link that is there: one step per hook, no
 * packet in between sees none. Maps that exist keep their content.
 * @param loaded whose programs needn't be loaded any more; they stay the caller's
 */
export function attachHooks(
  options: LoaderOptions,
  chosen: readonly Hook[],
  loaded: LoadedObjects = new Map(),
): LoadReport {
  const attached: string[] = [];
  const replaced: string[] = [];
  const instructions: Record<string, number> = {};
  const fresh = loadPrograms(
    options,
    chosen.filter(({ object }) => !loaded.has(object)),
  );
  const cgroupFd = options.native.cgroup.open(options.cgroup);
  try {
    for (const hook of chosen) {
      const program = (loaded.get(hook.object) ?? fresh.get(hook.object))?.program(hook.program);
      if (program === undefined) continue;
      instructions[hook.program] = program.verifiedInstructions;
      (attachHook(options, hook, program, cgroupFd) ? attached : replaced).push(hook.program);
      program.close();
    }
  } finally {
    closeObjects(fresh);
    closeSync(cgroupFd);
  }
  return { kept: [], attached, replaced, instructions };
}

/** Takes a hook off that nothing needs any more. */
export function detachHook({ native, layout, programs }: LoaderOptions, hook: Hook): void {
  programs?.forget(hook.program);
  detachLink(native, hookLink(layout, hook));
}

/** Governs what arrives in a namespace. The hook's instance carries the namespace's cookie as a constant. */
export function attachLookup(options: LoaderOptions, netnsFd: number, cookie: bigint): void {
  const { native, layout, programs } = options;
  const path = lookupLink(layout, cookie);
  const pin = lookupPin(cookie);
  using link = takeOver(native, path, {});
  if (link !== undefined && programs?.holds(pin, link.info().programId) === true) return;
  using object = openObject(options, lookupHook.object);
  const constants = object.readOnlyData();
  constants.writeBigUInt64LE(cookie, 0);
  object.setReadOnlyData(constants);
  object.load();
  using program = object.program(lookupHook.program);
  if (link !== undefined) link.update(program);
  else {
    using fresh = program.attachNetns(netnsFd);
    fresh.pin(path);
  }
  programs?.keep(pin, program);
}

const lookupPin = (cookie: bigint): string => `lookup-${String(cookie)}`;

/** Lets go of a namespace. It may be gone already. */
export function detachLookup({ native, layout, programs }: LoaderOptions, cookie: bigint): void {
  programs?.forget(lookupPin(cookie));
  detachLink(native, lookupLink(layout, cookie));
}

function detachLink(native: Native, path: string): void {
  if (!existsSync(path)) return;
  const link = native.BpfLink.openPinned(path);
  link.detach();
  link.close();
  rmSync(path);
}
