// SPDX-License-Identifier: Apache-2.0

/** What a command may touch of the world; tests pass their own. */
export interface CliContext {
  readonly out: (text: string) => void;
  /** Settles when what was printed has been taken, so that a slow reader holds up who prints much. */
  readonly flushed: () => Promise<void>;
  readonly err: (text: string) => void;
  readonly color: boolean;
  /** Aborts when the person interrupts, or nobody reads the output any more. */
  readonly signal: AbortSignal;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** 0: done, or the answer is yes. 1: the answer is no. Errors are thrown and become 2. */
export type ExitCode = 0 | 1;
