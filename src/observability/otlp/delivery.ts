// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer, Collector, Signal } from './collector.ts';
import { messageOf } from '../../lib/errors.ts';

/**
 * sent: the collector has taken them; failed: it refused them, or was away when they were due; missed: flows that were
 * overwritten in the store before they could be sent.
 */
export interface OtlpCounts {
  sent: number;
  failed: number;
  missed: number;
}

/** Between two attempts, ms: doubled each time. */
const FIRST_RETRY_MS = 1000;
const MAX_RETRY_MS = 30_000;

/** What of a message the collector did not take, as OTLP calls it. */
export interface Rejection {
  readonly count: number;
  readonly message: string;
}

export interface DeliveryOptions<Item> {
  readonly signal: Signal;
  readonly collector: Pick<Collector, 'send'>;
  readonly encode: (items: readonly Item[]) => Uint8Array;
  /** Reads the answer to a message that was taken. May throw on what is none. */
  readonly rejected: (answer: Buffer) => Rejection;
  readonly log: OtlpLog;
}

export interface OtlpLog {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
}

/** Brings items of one signal to the collector, and counts what becomes of them. */
export class Delivery<Item> {
  readonly counts: OtlpCounts = { sent: 0, failed: 0, missed: 0 };
  readonly #options: DeliveryOptions<Item>;
  #problem: string | undefined;

  constructor(options: DeliveryOptions<Item>) {
    this.#options = options;
  }

  /** Why the last attempt brought nothing; undefined: it did. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Tries until the collector has taken or refused them. False: `until` came first, and they are not counted. */
  async deliver(items: readonly Item[], until: AbortSignal): Promise<boolean> {
    const message = this.#encoded(items, items.length);
    if (message === undefined) return true;
    for (let wait = FIRST_RETRY_MS; !until.aborted; wait = Math.min(wait * 2, MAX_RETRY_MS)) {
      const answer = await this.#send(message, until);
      if (answer.type !== 'unavailable') {
        this.#settle(items.length, answer);
        return true;
      }
      if (!isOver(until)) this.#tell(answer.why);
      const pause = Math.max(wait, answer.retryAfterMs ?? 0);
      await sleep(pause, undefined, { signal: until }).catch(() => undefined);
    }
    return false;
  }

  /** Tries once. @param count what the items count for */
  async once(items: readonly Item[], count: number, until: AbortSignal): Promise<void> {
    const message = this.#encoded(items, count);
    if (message === undefined) return;
    const answer = await this.#send(message, until);
    // That an agent which ends has no time left is not the collector's fault.
    this.#settle(count, answer, until.aborted);
  }

  /** Undefined: they can't be told, and have been counted. */
  #encoded(items: readonly Item[], count: number): Uint8Array | undefined {
    try {
      return this.#options.encode(items);
    } catch (error) {
      this.#settle(count, { type: 'refused', why: messageOf(error) });
      return undefined;
    }
  }

  #send(message: Uint8Array, until: AbortSignal): Promise<Answer> {
    return this.#options.collector.send(this.#options.signal, message, until);
  }

  #settle(count: number, answer: Answer, isLate = false): void {
    if (answer.type !== 'accepted') {
      this.counts.failed += count;
      if (!isLate) this.#tell(answer.why);
      return;
    }
    const { count: rejected, message } = this.#rejection(answer.body);
    const failed = Math.min(rejected, count);
    this.counts.failed += failed;
    this.counts.sent += count - failed;
    this.#tell(failed === 0 ? undefined : `it rejected ${String(failed)} of them: ${message}`);
  }

  /** An answer that can't be read is none that rejects anything: the status said that all is well. */
  #rejection(body: Buffer): Rejection {
    try {
      return this.#options.rejected(body);
    } catch {
      return { count: 0, message: '' };
    }
  }

  /** Each problem is told once, and that it is over. */
  #tell(problem: string | undefined): void {
    const { signal, log } = this.#options;
    if (problem === this.#problem) return;
    this.#problem = problem;
    if (problem === undefined)
      log.info({ signal }, 'the OpenTelemetry collector takes what it is sent again');
    else log.warn({ signal, why: problem }, 'the OpenTelemetry collector does not take what it is sent');
  }
}

/** Asked anew: it may have changed while something was awaited. */
function isOver({ aborted }: AbortSignal): boolean {
  return aborted;
}
