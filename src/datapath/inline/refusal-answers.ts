// SPDX-License-Identifier: Apache-2.0
import { type Refusal, refusal } from '../../core/abi/http.ts';
import { rejectStatus } from '../../core/http/reject-reason.ts';
import type { RejectReason } from '../../core/http/reasons.ts';
import { refusalResponse, refusalStatus } from '../../core/http/refusal.ts';
import { formatAddress } from '../../core/identity/address.ts';
import { addressOfBytes } from '../../core/identity/wire-address.ts';
import type { BpfMap, Native, RingBuffer } from '../native.ts';
import type { Maps } from '../maps.ts';
import { grantSocket } from '../socket-grant.ts';
import { FairQueue } from './fair-queue.ts';
import { TcpFlag, type TcpSegment, tcpPacket } from './tcp-packet.ts';

export interface AnswererOptions {
  readonly native: Native;
  /** `refused`: what was refused while nobody listened. */
  readonly maps: Pick<Maps, 'refused' | 'socket_grants'>;
  /** Descriptor of an enrolled namespace by its cookie; undefined: gone. */
  readonly netnsFd: (cookie: bigint) => number | undefined;
}

/** Outcomes, for the metric. `answered`: a response was sent; `limited`: reset, because of a flood; `reset`: something else was under way. */
export type AnswerOutcome = 'answered' | 'reset' | 'limited' | 'failed';

/** After the response and its FIN, the client's own FIN would wait for an answer without end, ms. */
const RESET_AFTER_MS = 60;
/** Responses a second of one workload, and at once: beyond it connections are reset. */
const RATE = 1000;
const BURST = 1000;

/** Refusals of one workload that may wait; beyond it they are swept. */
const WAITING = 4096;
/** Answers before the ring is looked at again: each takes some 60 us. */
const AT_ONCE = 64;

interface Bucket {
  tokens: number;
  at: number;
}

/** Answers refused requests in the server's name, and closes both sides: docs/design/inline.md. */
export class RefusalAnswerer {
  readonly #options: AnswererOptions;
  readonly #raw = new Map<string, number>();
  readonly #buckets = new Map<number, Bucket>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly outcomes: Record<AnswerOutcome, number> = { answered: 0, reset: 0, limited: 0, failed: 0 };
  /** By workload, so that a flood of one leaves the others their turn. */
  readonly #queue = new FairQueue<Refusal>(WAITING);
  /** Cookies of what waits: a sweep leaves it alone. */
  readonly #waiting = new Set<bigint>();
  #turn: NodeJS.Immediate | undefined;
  #overflowed = false;
  #failure: unknown;
  #ring: RingBuffer | undefined;

  constructor(options: AnswererOptions) {
    this.#options = options;
  }

  /** Sweeps what an earlier agent left, and listens. */
  start(ring: BpfMap): void {
    this.#ring = new this.#options.native.RingBuffer([ring], (_, bytes, offsets) => {
      for (let index = 0; index + 1 < offsets.length; index += 1)
        this.#enqueue(refusal.decode(bytes, offsets[index]));
      if (this.#turn === undefined) this.#answerSome();
    });
    this.sweep();
  }

  #enqueue(refused: Refusal): void {
    if (!this.#queue.add(refused.workload, refused)) this.#overflowed = true;
    else this.#waiting.add(refused.cookie);
  }

  #answerSome(): void {
    this.#turn = undefined;
    for (let count = 0; count < AT_ONCE; count += 1) {
      const refused = this.#queue.take();
      if (refused === undefined) return;
      this.#waiting.delete(refused.cookie);
      this.#answer(refused, true);
    }
    if (!this.#queue.isEmpty) this.#turn = setImmediate(() => this.#answerSome());
  }

  /** Whether some were given up since one asked: they have to be swept. */
  takeOverflow(): boolean {
    const overflowed = this.#overflowed;
    this.#overflowed = false;
    return overflowed;
  }

  /** Closes what is refused and was not heard of: it found the ring full, or nobody listened. */
  sweep(): void {
    this.#ring?.consume();
    const { values, count } = this.#options.maps.refused.dump();
    for (let index = 0; index < count; index += 1) {
      const refused = refusal.decode(values, index * refusal.size);
      if (!this.#waiting.has(refused.cookie)) this.#answer(refused, false);
    }
  }

  #answer(refused: Refusal, fresh: boolean): void {
    try {
      this.outcomes[this.#end(refused, fresh)] += 1;
    } catch (error) {
      // Mostly its namespace or its socket went first: what is left of the connection passes nothing.
      this.outcomes.failed += 1;
      this.#failure = error;
    }
  }

  /** Why the last of those that failed since one asked did so. */
  takeFailure(): unknown {
    const failure = this.#failure;
    this.#failure = undefined;
    return failure;
  }

  #end(refused: Refusal, fresh: boolean): AnswerOutcome {
    const netnsFd = this.#options.netnsFd(refused.netns);
    if (netnsFd === undefined) {
      this.#done(refused);
      return 'failed';
    }
    try {
      return this.#speak(netnsFd, refused, fresh);
    } finally {
      // Also where the client can't be told: the server's end would stay for ever.
      if (refused.cookie !== 0n) this.#destroy(netnsFd, refused);
    }
  }

  #speak(netnsFd: number, refused: Refusal, fresh: boolean): AnswerOutcome {
    if (refused.answer === 0) return 'reset'; // the server's own reset passes
    if (!fresh || !this.#take(refused.workload)) {
      this.#send(netnsFd, refused, {
        sequence: refused.sequence,
        flags: TcpFlag.Rst | TcpFlag.Ack,
        payload: '',
      });
      return 'limited';
    }
    const payload = responseOf(refused);
    const { sequence } = refused;
    this.#send(netnsFd, refused, { sequence, flags: TcpFlag.Psh | TcpFlag.Fin | TcpFlag.Ack, payload });
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      try {
        this.#send(netnsFd, refused, {
          sequence: sequence + payload.length + 1,
          flags: TcpFlag.Rst | TcpFlag.Ack,
          payload: '',
        });
      } catch {
        // The namespace is gone, and the client's connection with it or after its time-out.
      }
    }, RESET_AFTER_MS);
    this.#timers.add(timer);
    return 'answered';
  }

  #take(workload: number): boolean {
    const now = performance.now();
    const bucket = this.#buckets.get(workload) ?? { tokens: BURST, at: now };
    bucket.tokens = Math.min(BURST, bucket.tokens + ((now - bucket.at) / 1000) * RATE);
    bucket.at = now;
    this.#buckets.set(workload, bucket);
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  #send(netnsFd: number, refused: Refusal, part: Pick<TcpSegment, 'sequence' | 'flags' | 'payload'>): void {
    const family = refused.family === 6 ? 6 : 4;
    const packet = tcpPacket({
      family,
      source: refused.local,
      destination: refused.remote,
      sourcePort: refused.localPort,
      destinationPort: refused.remotePort,
      acknowledge: refused.acknowledge,
      ...part,
    });
    this.#options.native.sockets.sendRaw(
      this.#socket(netnsFd, refused.netns, family),
      family,
      text(refused.remote),
      packet,
    );
  }

  /** One raw socket per namespace and family. */
  #socket(netnsFd: number, netns: bigint, family: 4 | 6): number {
    const key = `${String(netns)}/${String(family)}`;
    let fd = this.#raw.get(key);
    if (fd === undefined) {
      grantSocket(this.#options.maps);
      fd = this.#options.native.sockets.openRaw({ netnsFd, family });
      this.#raw.set(key, fd);
    }
    return fd;
  }

  #destroy(netnsFd: number, refused: Refusal): void {
    this.#options.native.diag.destroy(netnsFd, {
      protocol: 'tcp',
      family: refused.family === 6 ? 6 : 4,
      source: { address: text(refused.local), port: refused.localPort },
      destination: { address: text(refused.remote), port: refused.remotePort },
      cookie: refused.cookie,
    });
    this.#done(refused);
  }

  #done({ cookie }: Refusal): void {
    const key = Buffer.alloc(8);
    key.writeBigUInt64LE(cookie);
    this.#options.maps.refused.delete(key);
  }

  /** Sockets of namespaces that are gone would keep them alive. */
  forget(alive: ReadonlySet<bigint>): void {
    for (const [key, fd] of this.#raw) {
      if (alive.has(BigInt(key.split('/')[0] ?? 0))) continue;
      this.#options.native.sockets.close(fd);
      this.#raw.delete(key);
    }
  }

  close(): void {
    this.#ring?.close();
    clearImmediate(this.#turn);
    for (const timer of this.#timers) clearTimeout(timer);
    this.forget(new Set());
  }
}

function text(bytes: Uint8Array): string {
  return formatAddress(addressOfBytes(bytes));
}

function responseOf(refused: Refusal): string {
  const status =
    refused.rejected === 0 ? refusalStatus(refused.reason) : rejectStatus(refused.rejected as RejectReason);
  const reference = refused.reference.toString(16).padStart(16, '0');
  return refusalResponse(status, reference, true, refused.headMethod === 1);
}
