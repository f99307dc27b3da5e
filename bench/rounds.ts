// SPDX-License-Identifier: Apache-2.0
import type { Case } from './cases.ts';
import { measure, type Sample } from './load.ts';
import type { BenchPath, PathName } from './path.ts';
import { messageOf } from '../src/lib/errors.ts';

/** What each round gave; a path is missing in rounds that came after its failure. */
export interface Measured {
  readonly rounds: readonly ReadonlyMap<PathName, Sample>[];
  /** Why a path has no numbers. */
  readonly failures: ReadonlyMap<PathName, string>;
}

export interface RoundsOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly signal: AbortSignal;
  readonly report: (line: string) => void;
}

/** Pause between turns, ms: sockets of the last one close. */
const SETTLE_MS = 60;

/**
 * Measures all paths of a case in interleaved rounds, there and back again: whatever the machine does meanwhile hits
 * neighbours in a round alike, and a slow drift cancels out. The first round is preceded by a warm-up of each path.
 */
export async function measureCase(
  paths: readonly BenchPath[],
  load: Case,
  options: RoundsOptions,
): Promise<Measured> {
  const failures = new Map<PathName, string>();
  const turn = async (path: BenchPath, seconds: number): Promise<Sample | undefined> => {
    if (failures.has(path.name)) return undefined;
    try {
      const sample = await measure(path, load, seconds, options.signal);
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
      return sample;
    } catch (error) {
      options.signal.throwIfAborted();
      const message = messageOf(error);
      failures.set(path.name, message);
      options.report(`FAILED ${message}`);
      return undefined;
    }
  };
  for (const path of paths) await turn(path, 1);
  const rounds: ReadonlyMap<PathName, Sample>[] = [];
  for (let round = 0; round < options.rounds; round++) {
    const samples = new Map<PathName, Sample>();
    for (const path of round % 2 === 0 ? paths : paths.toReversed()) {
      const sample = await turn(path, options.seconds);
      if (sample !== undefined) samples.set(path.name, sample);
    }
    rounds.push(samples);
    options.report(`round ${round + 1} of ${options.rounds}: ${summary(paths, samples, load)}`);
  }
  return { rounds, failures };
}

function summary(paths: readonly BenchPath[], samples: ReadonlyMap<PathName, Sample>, load: Case): string {
  const bare = samples.get('bare')?.rate ?? Number.NaN;
  const parts = paths.map(({ name }) => {
    const sample = samples.get(name);
    if (sample === undefined) return `${name} -`;
    if (name !== 'bare') return `${name} ${(sample.rate / bare).toFixed(2)}`;
    const rate = load.type === 'bulk' ? `${bare.toFixed(1)} Gbit/s` : `${(bare / 1000).toFixed(1)} k/s`;
    return `bare ${rate}`;
  });
  return parts.join(', ');
}
