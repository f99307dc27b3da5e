// SPDX-License-Identifier: Apache-2.0
import type { ChunkSummaries } from '../chunk-summaries.ts';
import type { Predicate } from './predicate.ts';

/** Whether some record of the chunk whose summary is in the slot may match. */
export type ChunkTest = (summaries: ChunkSummaries, slot: number) => boolean;

/** One condition, as a test of a record and as one that passes over chunks of them. */
export interface Matcher {
  readonly record: Predicate;
  readonly chunk: ChunkTest;
}

const everyChunk: ChunkTest = () => true;

export const always: Matcher = { record: () => true, chunk: everyChunk };

/** A condition that summaries say nothing of. */
export function unsummarised(record: Predicate): Matcher {
  return { record, chunk: everyChunk };
}

/** Conditions that summaries say nothing of are not asked. */
function tests(matchers: readonly Matcher[]): readonly ChunkTest[] {
  return matchers.map(({ chunk }) => chunk).filter((chunk) => chunk !== everyChunk);
}

export function all(matchers: readonly Matcher[]): Matcher {
  const [first, second] = matchers;
  if (first === undefined) return always;
  if (second === undefined) return first;
  const predicates = matchers.map(({ record }) => record);
  const chunks = tests(matchers);
  return {
    record: (memory, at) => {
      for (const predicate of predicates) if (!predicate(memory, at)) return false;
      return true;
    },
    chunk:
      chunks.length === 0
        ? everyChunk
        : (summaries, slot) => {
            for (const chunk of chunks) if (!chunk(summaries, slot)) return false;
            return true;
          },
  };
}

/** Of no condition: nothing matches. */
export function any(matchers: readonly Matcher[]): Matcher {
  const [first] = matchers;
  if (first !== undefined && matchers.length === 1) return first;
  const predicates = matchers.map(({ record }) => record);
  const chunks = tests(matchers);
  return {
    record: (memory, at) => {
      for (const predicate of predicates) if (predicate(memory, at)) return true;
      return false;
    },
    chunk:
      chunks.length < matchers.length
        ? everyChunk
        : (summaries, slot) => {
            for (const chunk of chunks) if (chunk(summaries, slot)) return true;
            return false;
          },
  };
}

/** What a chunk has says nothing of what all of it has. */
export function not({ record }: Matcher): Matcher {
  return unsummarised((memory, at) => !record(memory, at));
}
