// SPDX-License-Identifier: Apache-2.0
import { type CaseName, caseNames } from './cases.ts';
import { type PathName, pathNames } from './path.ts';

export interface Options {
  readonly cases: readonly CaseName[];
  /** `bare` is always among them: it is what the ratios refer to. */
  readonly paths: readonly PathName[];
  readonly rounds: number;
  /** Length of one turn, seconds; wrk takes whole ones. */
  readonly seconds: number;
}

/** Enough pairs for a median that holds; all cases on all their paths then take some 14 minutes. */
const DEFAULT_ROUNDS = 9;
const DEFAULT_SECONDS = 2;

/** Everything, and often enough to be published. */
export function isWhole({ cases, paths, rounds, seconds }: Options): boolean {
  const hasAll = cases.length === caseNames.length && paths.length === pathNames.length;
  return hasAll && rounds >= DEFAULT_ROUNDS && seconds >= DEFAULT_SECONDS;
}

/** CASES and PATHS are lists by comma or space, ROUNDS is a number; `--quick` is for a look, not for numbers. */
export function readOptions(env: NodeJS.ProcessEnv, args: readonly string[]): Options {
  const strange = args.find((arg) => arg !== '--quick');
  if (strange !== undefined) throw new Error(`${strange} is no option here; there is --quick`);
  const quick = args.includes('--quick');
  const paths = list('PATHS', env['PATHS'], pathNames);
  return {
    cases: list('CASES', env['CASES'], caseNames),
    paths: pathNames.filter((name) => name === 'bare' || paths.includes(name)),
    rounds: wholeNumber('ROUNDS', env['ROUNDS'], quick ? 2 : DEFAULT_ROUNDS, 999),
    seconds: quick ? 1 : DEFAULT_SECONDS,
  };
}

function list<T extends string>(
  variable: string,
  text: string | undefined,
  known: readonly T[],
): readonly T[] {
  const words = (text ?? '').split(/[\s,]+/).filter((word) => word !== '');
  if (words.length === 0) return known;
  const strange = words.find((word) => !known.some((name) => name === word));
  if (strange !== undefined) throw new Error(`${variable}: ${strange} is not one of ${known.join(', ')}`);
  return known.filter((name) => words.includes(name));
}

/** A number of the environment, from 1 on. */
export function wholeNumber(
  variable: string,
  text: string | undefined,
  fallback: number,
  highest = 3600,
): number {
  if (text === undefined || text === '') return fallback;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > highest) {
    throw new Error(`${variable}: ${text} is no whole number from 1 to ${highest}`);
  }
  return value;
}
