// SPDX-License-Identifier: Apache-2.0
import type { Case, CaseName } from './cases.ts';
import type { Sample } from './load.ts';
import type { MissingPath, PathName } from './path.ts';
import type { Measured } from './rounds.ts';
import { median, ratioOf, significant } from './statistics.ts';

/** One line of the results; what does not apply or could not be measured is null. */
export interface Row {
  readonly case: CaseName;
  readonly path: PathName;
  readonly rps: number | null;
  readonly gbitPerSecond: number | null;
  /** Median over the rounds of this path's rate by that of bare in the same round. */
  readonly ratioToBare: number | null;
  readonly ratioLow: number | null;
  readonly ratioHigh: number | null;
  readonly p50Us: number | null;
  readonly p99Us: number | null;
  /** Of the whole machine: client, server and all between. */
  readonly cpuSecondsPer100k: number | null;
  /** Of what stands between client and server, at the end of a turn. */
  readonly rssMiB: number | null;
  /** Why there are no numbers; absent if there are. */
  readonly missing?: string;
}

/** The row of one path from its rounds. */
export function rowOf(load: Case, path: PathName, measured: Measured): Row {
  const failure = measured.failures.get(path);
  if (failure !== undefined) return missingRow(load.name, { name: path, missing: failure });
  const samples = measured.rounds.flatMap((round) => round.get(path) ?? []);
  const pairs = measured.rounds.flatMap((round) => {
    const [own, bare] = [round.get(path), round.get('bare')];
    return own === undefined || bare === undefined ? [] : [[own.rate, bare.rate] as const];
  });
  const ratio = ratioOf(pairs);
  const rate = median(samples.map((sample) => sample.rate));
  const isBulk = load.type === 'bulk';
  const rss = Math.max(...samples.map((sample) => sample.rssMib));
  return {
    case: load.name,
    path,
    rps: isBulk ? null : significant(rate, 4),
    gbitPerSecond: isBulk ? significant(rate, 3) : null,
    ratioToBare: ratio === undefined ? null : significant(ratio.median, 3),
    ratioLow: ratio === undefined ? null : significant(ratio.low, 3),
    ratioHigh: ratio === undefined ? null : significant(ratio.high, 3),
    p50Us: medianOf(samples, (sample) => sample.p50Us),
    p99Us: medianOf(samples, (sample) => sample.p99Us),
    cpuSecondsPer100k: medianOf(samples, (sample) => sample.cpuSecondsPer100k),
    rssMiB: rss > 0 ? significant(rss, 3) : null,
  };
}

export function missingRow(name: CaseName, { name: path, missing }: MissingPath): Row {
  const nothing = {
    rps: null,
    gbitPerSecond: null,
    ratioToBare: null,
    ratioLow: null,
    ratioHigh: null,
    p50Us: null,
    p99Us: null,
    cpuSecondsPer100k: null,
    rssMiB: null,
  };
  return { case: name, path, ...nothing, missing };
}

function medianOf(samples: readonly Sample[], field: (sample: Sample) => number | undefined): number | null {
  const values = samples.flatMap((sample) => field(sample) ?? []);
  return values.length === 0 ? null : significant(median(values), 3);
}
