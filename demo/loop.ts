// SPDX-License-Identifier: Apache-2.0
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { until } from '../test/support/lab.ts';

/** One request of shop/customer.ts. */
export interface Answer {
  /** Milliseconds of Unix time. */
  readonly at: number;
  /** 0: no answer came. */
  readonly status: number;
  readonly ms: number;
}

/** A client that goes on asking while the story happens. */
export class Loop {
  readonly #child: ChildProcess;
  readonly #answers: Answer[] = [];

  constructor(child: ChildProcess) {
    this.#child = child;
    if (child.stdout === null) throw new Error('the customer has no pipe');
    createInterface({ input: child.stdout }).on('line', (line) =>
      this.#answers.push(JSON.parse(line) as Answer),
    );
  }

  /** Waits for the first answer. */
  async begun(): Promise<void> {
    await until('the first answer', () => this.#answers.length > 0);
  }

  /** Answers from a moment on, ms of Unix time. */
  since(moment: number): readonly Answer[] {
    return this.#answers.filter((answer) => answer.at >= moment);
  }

  /** The first answer with a status from a moment on; undefined if none comes in time. */
  async first(status: number, moment: number, waitMs: number): Promise<Answer | undefined> {
    const find = (): Answer | undefined => this.since(moment).find((answer) => answer.status === status);
    try {
      await until(`status ${status}`, () => find() !== undefined, waitMs);
    } catch {
      return undefined;
    }
    return find();
  }

  end(): void {
    this.#child.kill('SIGTERM');
  }
}
