// SPDX-License-Identifier: Apache-2.0
// The addon's surface: libbpf nouns. Bytes in, bytes out; every length is checked in C++. Methods throw
// NativeError (native.ts). Handles own a file descriptor: close them, or the garbage collector does so late.

/** Options of {@link BpfObjectClass.open}. */
export interface OpenOptions {
  /** Folder in bpffs where maps declared LIBBPF_PIN_BY_NAME are created or, if already there, reused. */
  readonly pinRoot?: string;
  /** Values of `extern … __kconfig` variables, a line each (`CONFIG_X=y`); the kernel's own when they aren't here. */
  readonly kconfig?: string;
}

/** An ELF object: opened, configured, loaded. Maps and programs handed out outlive it. */
export interface BpfObject extends Disposable {
  readonly path: string;
  /** Internal maps go by their section: `.rodata`, `.bss`, `.data`. */
  readonly maps: string[];
  readonly programs: string[];
  /** The whole of .rodata, exactly as long as {@link readOnlyData}. Before load only. */
  setReadOnlyData(bytes: Uint8Array): void;
  /** The initial bytes of .rodata; empty if the object has none. */
  readOnlyData(): Buffer;
  setMaxEntries(map: string, entries: number): void;
  setAutoload(program: string, autoload: boolean): void;
  /** Uses a map that is there already instead of creating the declared one; type and sizes must agree. */
  reuseMap(name: string, map: BpfMap): void;
  load(): void;
  map(name: string): BpfMap;
  program(name: string): BpfProgram;
  close(): void;
}

export interface BpfObjectClass {
  open(path: string, options?: OpenOptions): BpfObject;
}

/** Input of a BPF_PROG_TEST_RUN. */
export interface TestRunInput {
  /** The packet, for program types that take one. */
  readonly dataIn?: Uint8Array;
  /** The context (`struct __sk_buff`, `struct bpf_sk_lookup`, …). */
  readonly ctxIn?: Uint8Array;
  /** Zero-pads the context up to this many bytes. */
  readonly ctxSize?: number;
  readonly repeat?: number;
}

export interface TestRunResult {
  /** The program's return value as an unsigned 32-bit number. */
  readonly returnValue: number;
  readonly dataOut: Buffer;
  readonly ctxOut: Buffer;
  /** Mean over the repeats; 0 for types that don't measure. */
  readonly durationNs: number;
}

export interface BpfProgram extends Disposable {
  readonly name: string;
  /** libbpf's name of the type: `cgroup_sock_addr`, `sk_lookup`, … */
  readonly type: string;
  /** Empty for a program opened from its pin. */
  readonly sectionName: string;
  /** Instructions the verifier walked (5.16). */
  readonly verifiedInstructions: number;
  readonly id: number;
  /** The attach type comes from the section; a program opened from its pin has none, so it can't be attached. */
  attachCgroup(cgroupFd: number): BpfLink;
  attachNetns(netnsFd: number): BpfLink;
  /** `tp/…` programs through perf (tracefs need not be mounted), `raw_tp/…` by name alone. */
  attachTracepoint(category: string, name: string): BpfLink;
  /** `tp_btf/…`, `fentry/…`, `fexit/…`: the target is the section's. */
  attachTracing(): BpfLink;
  /** `iter/…`; those of a map's elements want the map. Nothing runs before {@link BpfLink.iterate}. */
  attachIterator(map?: BpfMap): BpfLink;
  /** sk_msg and sk_skb programs; attachments to a sockmap have no link. */
  attachSkMsg(map: BpfMap): void;
  detachSkMsg(map: BpfMap): void;
  testRun(input?: TestRunInput): TestRunResult;
  pin(path: string): void;
  close(): void;
}

export interface BpfProgramClass {
  openPinned(path: string): BpfProgram;
}

export interface LinkInfo {
  readonly id: number;
  /** `cgroup`, `netns`, `perf_event`, `tracing`, `raw_tracepoint`, … */
  readonly type: string;
  readonly programId: number;
  readonly cgroupId?: bigint;
  /** 0 once the namespace is gone. */
  readonly netnsIno?: number;
  readonly attachType?: string;
}

export interface BpfLink extends Disposable {
  pin(path: string): void;
  /** Removes the pin that {@link pin} made or openPinned read; the attachment lives on while a handle is open. */
  unpin(): void;
  /** Replaces the attached program in one step: no packet sees neither or both. */
  update(program: BpfProgram): void;
  info(): LinkInfo;
  /**
   * Walks once over everything that an iterator program is attached to, sockets in a given namespace, and
   * returns what the program wrote.
   */
  iterate(netnsFd?: number | null): Buffer;
  /** Detaches at once, whoever else holds the link. */
  detach(): void;
  close(): void;
}

export interface BpfLinkClass {
  openPinned(path: string): BpfLink;
}

export interface MapInfo {
  readonly id: number;
  readonly name: string;
  /** libbpf's name of the type: `hash`, `percpu_array`, `sockmap`, … */
  readonly type: string;
  readonly keySize: number;
  /** As declared: of one CPU's copy for per-CPU maps. */
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
}

export type UpdateFlag = 'any' | 'noexist' | 'exist';

export interface MapDump {
  /** count × keySize bytes. */
  readonly keys: Buffer;
  /** count × {@link BpfMap.entrySize} bytes. */
  readonly values: Buffer;
  readonly count: number;
}

export interface BpfMap extends Disposable {
  readonly info: MapInfo;
  /** Copies of a value: the possible CPUs for per-CPU maps, else 1. */
  readonly cpus: number;
  /** Bytes of a value as user space sees it: valueSize, or for per-CPU maps cpus × valueSize rounded up to 8. */
  readonly entrySize: number;
  lookup(key: Uint8Array): Buffer | undefined;
  update(key: Uint8Array, value: Uint8Array, flag?: UpdateFlag): void;
  /** False if there was no such key. Array maps can't delete. */
  delete(key: Uint8Array): boolean;
  /** Each key at most once. Entries that come or go meanwhile may or may not be in it. */
  dump(): MapDump;
  /** Returns how many were written; on failure the error's `done` says so. */
  updateBatch(keys: Uint8Array, values: Uint8Array): number;
  /** Returns how many there were; missing keys are no error. */
  deleteBatch(keys: Uint8Array): number;
  /** Socket storage (`sk_storage`), keyed by the file descriptor of the socket. */
  lookupFd(socketFd: number): Buffer | undefined;
  updateFd(socketFd: number, value: Uint8Array): void;
  deleteFd(socketFd: number): boolean;
  /** Puts a socket into a sockmap or sockhash. */
  updateSocket(key: Uint8Array, socketFd: number): void;
  /** Puts an inner map into an array or hash of maps. */
  updateInner(key: Uint8Array, inner: BpfMap): void;
  /** The values of a mappable array (BPF_F_MMAPABLE), shared with the kernel; they stay mapped while the buffer lives. */
  mapped(): Buffer;
  /** Lends the same memory for the time of a call; views of it are empty afterwards. */
  withMapped<Result>(use: (memory: ArrayBuffer) => Result): Result;
  pin(path: string): void;
  /** No more writes from user space. */
  freeze(): void;
  close(): void;
}

export interface MapSpec {
  readonly type: string;
  readonly name: string;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags?: number;
}

export interface BpfMapClass {
  openPinned(path: string): BpfMap;
  openById(id: number): BpfMap;
  /** A map that no object declares: inner maps, tests. */
  create(spec: MapSpec): BpfMap;
}

/**
 * Record i is `bytes.subarray(offsets[i], offsets[i + 1])`; offsets holds one more than there are records. Both are
 * the reader's own memory, which the next batch is written to: what is to be kept is copied.
 */
export type RingBatch = (ringIndex: number, bytes: Buffer, offsets: Uint32Array) => void;

export interface RingBufferOptions {
  /** Bound per batch, one of each ring in a turn of the loop; 1024 unless told. */
  readonly maxRecordsPerTick?: number;
}

/** Reads ring buffer maps on this thread's loop. One consumer per ring. */
export interface RingBuffer extends Disposable {
  /**
   * Reads now what is there, batch by batch, for programs that submit with BPF_RB_NO_WAKEUP; returns the records. Not
   * from its own callback.
   */
  consume(): number;
  /** Bytes that wait in all rings, headers included. */
  pending(): number;
  /** Whether the open ring keeps the process alive; it does unless told. */
  ref(): void;
  unref(): void;
  close(): void;
}

export type RingBufferClass = new (
  maps: readonly BpfMap[],
  onBatch: RingBatch,
  options?: RingBufferOptions,
) => RingBuffer;

export interface BpfNouns {
  readonly BpfObject: BpfObjectClass;
  readonly BpfProgram: BpfProgramClass;
  readonly BpfLink: BpfLinkClass;
  readonly BpfMap: BpfMapClass;
  readonly RingBuffer: RingBufferClass;
}
