// SPDX-License-Identifier: Apache-2.0
import { flowDetail } from '../../src/core/abi/flow.ts';
import { rejectReason } from '../../src/core/http/reject-reason.ts';
import { Reject } from '../../src/core/http/reasons.ts';
import { featureSwitches } from '../../src/datapath/features.ts';
import { TablePool } from '../../src/datapath/inline/table-pool.ts';
import type { BpfProgram } from '../../src/datapath/native.ts';
import { type Fixture, makeBpffs, native, testObject } from './native.ts';

/** Ethernet header of a run; the rest is the payload of one segment. */
const FRAME_BYTES = 14;
/** Payload that one run takes: the kernel wants the packet in one page. */
export const SEGMENT_BYTES = 3000;

/** Of `struct http_stream`. */
const TEXT_AT = 104;

/** Trace id, parent id and flags. */
const TRACE_BYTES = 25;

/** Fields of `struct exchange` in inline-read.bpf.c. */
const At = {
  begin: 0,
  table: 4,
  rejected: 8,
  rule: 12,
  reason: 16,
  requests: 20,
  refused: 24,
  phase: 28,
  headBytes: 32,
  traced: 36,
  known: 40,
  method: 44,
  text: 48,
  host: 52,
  remaining: 56,
  detail: 64,
  stream: 104,
};

/** What the kernel's reader says after a segment. */
export interface KernelState {
  /** The segment would have been passed on. */
  readonly passed: boolean;
  readonly refused: boolean;
  /** Reject, 0: by policy, or not refused. */
  readonly rejected: number;
  readonly reason: number;
  readonly rule: number;
  /** Heads allowed so far. */
  readonly requests: number;
  readonly phase: number;
  readonly headBytes: number;
  readonly remaining: number;
  /** What the last head's traceparent says, if it is valid: trace id, parent id and flags, hex digits. */
  readonly trace: string | undefined;
  /** It was compared with a head that was kept, and not read. */
  readonly known: boolean;
  /** What a record says of the last head: method, path and host. */
  readonly text: readonly string[];
}

/** The kernel's reader of requests, run by BPF_PROG_TEST_RUN over tables in the real pool. */
export class KernelReader implements Disposable {
  readonly #pins: Fixture;
  readonly #program: BpfProgram;
  readonly #exchange: Buffer;
  readonly #pool: TablePool;
  runs = 0;

  constructor() {
    const { BpfObject } = native();
    this.#pins = makeBpffs();
    using object = BpfObject.open(testObject('inline-read'), {
      pinRoot: this.#pins.path,
      kconfig: featureSwitches(native()),
    });
    const constants = object.readOnlyData();
    for (const rejected of Object.values(Reject))
      constants.writeUInt16LE(rejectReason(rejected), rejected * 2);
    object.setReadOnlyData(constants);
    object.load();
    this.#program = object.program('read_segment');
    this.#exchange = object.map('exchanges').mapped();
    let now = 0;
    // What is not in use any more is gone at once.
    const tables = object.map('tables').mapped();
    this.#pool = new TablePool((use) => use(tables), { now: () => (now += 60_000) });
  }

  /** Begins a connection under a table, which takes the place of the one before. Returns where it lies. */
  begin(table: Uint8Array): number {
    const offset = this.#pool.place(table);
    if (offset === undefined) throw new Error('no room for the table');
    this.#pool.retain([table]);
    this.#exchange.writeUInt32LE(1, At.begin);
    this.#exchange.writeUInt32LE(offset, At.table);
    return offset;
  }

  /** Feeds one segment, one character per byte. */
  feed(text: string): KernelState {
    const data = Buffer.alloc(FRAME_BYTES + text.length);
    data.writeUInt16BE(0x88b5, 12);
    data.write(text, FRAME_BYTES, 'latin1');
    const { returnValue } = this.#program.testRun({ dataIn: data });
    this.runs += 1;
    const trace = At.detail + flowDetail.offset.traceId;
    const field = (at: number): number => this.#exchange.readUInt32LE(at);
    return {
      passed: returnValue === 1,
      refused: field(At.refused) !== 0,
      rejected: field(At.refused) === 0 ? 0 : field(At.rejected),
      reason: field(At.reason),
      rule: field(At.rule),
      requests: field(At.requests),
      phase: field(At.phase),
      headBytes: field(At.headBytes),
      remaining: Number(this.#exchange.readBigUInt64LE(At.remaining)),
      trace: field(At.traced) === 0 ? undefined : this.#exchange.toString('hex', trace, trace + TRACE_BYTES),
      known: field(At.known) === 1,
      text: this.#text(field(At.method), field(At.text), field(At.host)),
    };
  }

  /** Method, path and host by their lengths: that of the text is of the first two. */
  #text(method: number, text: number, host: number): string[] {
    const from = At.stream + TEXT_AT;
    const part = (start: number, end: number): string =>
      this.#exchange.toString('latin1', from + start, from + end);
    return [part(0, method), part(method, text), part(text, text + host)];
  }

  /** Feeds a text cut at these positions; what is not passed is sent again with what follows, as TCP does. */
  feedCut(text: string, cuts: readonly number[]): KernelState {
    let from = 0;
    let state: KernelState | undefined;
    for (const to of [...cuts, text.length]) {
      if (to === from) continue;
      state = this.feed(text.slice(from, to));
      if (state.refused) return state;
      if (state.passed) from = to;
    }
    if (state === undefined) throw new Error('nothing to feed');
    return state;
  }

  [Symbol.dispose](): void {
    this.#program.close();
    this.#pins[Symbol.dispose]();
  }
}
