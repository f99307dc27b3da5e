// SPDX-License-Identifier: Apache-2.0
import { type Logger, pino } from 'pino';

/** Fields whose values never reach a log. */
const secrets = [
  'authorization',
  'cookie',
  'password',
  'token',
  'key',
  '*.authorization',
  '*.cookie',
  '*.token',
];

/** The same message of the same object, within this time, is counted and not written. */
const REPEAT_WINDOW_MS = 10_000;

/** A logger that writes JSON lines to standard error. */
export function createLog(name: string, level: string): Logger {
  return pino(
    {
      name,
      level,
      redact: { paths: secrets, censor: '[redacted]' },
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    pino.destination({ fd: 2, sync: true }),
  );
}

interface Repeat {
  until: number;
  held: number;
}

/** Holds repeats back and says how many there were, so that one fault in a loop cannot fill a disk. */
export class RepeatFilter {
  readonly #seen = new Map<string, Repeat>();
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Undefined: hold it back. Otherwise how many were held back since it was last written. */
  pass(key: string): number | undefined {
    const now = this.#now();
    const repeat = this.#seen.get(key);
    if (repeat !== undefined && now < repeat.until) {
      repeat.held += 1;
      return undefined;
    }
    this.#forget(now);
    this.#seen.set(key, { until: now + REPEAT_WINDOW_MS, held: 0 });
    return repeat?.held ?? 0;
  }

  #forget(now: number): void {
    for (const [key, repeat] of this.#seen)
      if (repeat.until < now && repeat.held === 0) this.#seen.delete(key);
  }
}

/** Warns once in a while about what keeps happening to one object. */
export function warnRepeated(
  log: Logger,
  filter: RepeatFilter,
  object: string,
  message: string,
  error?: unknown,
): void {
  const held = filter.pass(`${object} ${message}`);
  if (held === undefined) return;
  log.warn(
    { object, ...(held > 0 ? { repeated: held } : {}), ...(error === undefined ? {} : { err: error }) },
    message,
  );
}
