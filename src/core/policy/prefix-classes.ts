// SPDX-License-Identifier: Apache-2.0
import type { Address } from '../identity/address.ts';
import { formatPrefix, type Prefix, PrefixTable } from '../identity/prefix.ts';
import type { Rule } from './rule.ts';

/** Up to so many blocks flows can name each; of more only those that some rule tells apart have numbers of their own. */
const NAMED_BLOCKS = 256;

/** A block of a clause that a prefix is, or is the exception of. */
interface Mention {
  readonly clause: number;
  readonly block: number;
  readonly isException: boolean;
}

/** Every block and exception of the rules, once, by its text. */
export function collectPrefixes(rules: readonly Rule[]): Map<string, Prefix> {
  const found = new Map<string, Prefix>();
  for (const { blocks } of clausesWithBlocks(rules)) {
    for (const { block, except } of blocks)
      for (const prefix of [block, ...except]) found.set(formatPrefix(prefix), prefix);
  }
  return found;
}

/**
 * By the text of a block: the one that stands for all those that the rules say the same of, the first by its text.
 * Without that a list of blocks would have as many peers, each with rows of its own in every table.
 */
export function standIns(
  prefixes: ReadonlyMap<string, Prefix>,
  rules: () => readonly Rule[],
  named = NAMED_BLOCKS,
): ReadonlyMap<string, Prefix> {
  if (prefixes.size <= named) return prefixes;
  const mentions = mentionsOf(rules());
  const table = new PrefixTable(prefixes.values());
  const first = new Map<string, Prefix>();
  const found = new Map<string, Prefix>();
  for (const [text, prefix] of [...prefixes].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const said = [...table.holding(prefix)].flatMap((outer) => mentions.get(formatPrefix(outer)) ?? []);
    const answer = meantBy(said).join(' ');
    const standIn = first.get(answer) ?? prefix;
    first.set(answer, standIn);
    found.set(text, standIn);
  }
  return found;
}

/** Every block and exception of any policy, once. */
export class Blocks {
  readonly #prefixes: ReadonlyMap<string, Prefix>;
  readonly #table: PrefixTable;
  readonly #standIns: ReadonlyMap<string, Prefix>;

  /** @param prefixes by their text; @param standIns of the same */
  constructor(
    prefixes: ReadonlyMap<string, Prefix> = new Map(),
    standIns: ReadonlyMap<string, Prefix> = prefixes,
  ) {
    this.#prefixes = prefixes;
    this.#table = new PrefixTable(prefixes.values());
    this.#standIns = standIns;
  }

  /** What stands for the longest block that holds an address or block: no rule tells the two apart. */
  standIn(inner: Address | Prefix): Prefix | undefined {
    const found = this.#table.longest(inner);
    return found === undefined ? undefined : this.#standIns.get(formatPrefix(found));
  }

  /** The blocks that are in one of the two alone, or that another stands for. */
  differences(others = NO_BLOCKS): Prefix[] {
    if (others === this) return [];
    const here = [...this.#prefixes].filter(
      ([text]) => !others.#prefixes.has(text) || this.#standInText(text) !== others.#standInText(text),
    );
    const gone = [...others.#prefixes].filter(([text]) => !this.#prefixes.has(text));
    return [...here, ...gone].map(([, prefix]) => prefix);
  }

  /** Whether some policy names the block with that text. */
  has(text: string): boolean {
    return this.#prefixes.has(text);
  }

  /** What stands for the block with that text. */
  #standInText(text: string): string | undefined {
    const standIn = this.#standIns.get(text);
    // Most stand for themselves, and formatting takes long.
    return standIn === undefined || standIn === this.#prefixes.get(text) ? text : formatPrefix(standIn);
  }

  [Symbol.iterator](): IterableIterator<Prefix> {
    return this.#table[Symbol.iterator]();
  }
}

const NO_BLOCKS = new Blocks();

function clausesWithBlocks(rules: readonly Rule[]) {
  return rules
    .flatMap(({ clauses }) => clauses)
    .flatMap(({ peer }) => (peer?.blocks === undefined ? [] : [{ blocks: peer.blocks }]));
}

/** By the text of a prefix. */
function mentionsOf(rules: readonly Rule[]): ReadonlyMap<string, readonly Mention[]> {
  const mentions = new Map<string, Mention[]>();
  const add = (prefix: Prefix, mention: Mention): void => {
    const text = formatPrefix(prefix);
    const known = mentions.get(text);
    if (known === undefined) mentions.set(text, [mention]);
    else known.push(mention);
  };
  for (const [clause, { blocks }] of clausesWithBlocks(rules).entries()) {
    for (const [index, { block, except }] of blocks.entries()) {
      add(block, { clause, block: index, isException: false });
      for (const inner of except) add(inner, { clause, block: index, isException: true });
    }
  }
  return mentions;
}

/** Numbers of the clauses that mean whoever is inside all that is mentioned, in order. */
function meantBy(mentions: readonly Mention[]): readonly number[] {
  const nameOf = ({ clause, block }: Mention): string => `${String(clause)}/${String(block)}`;
  const out = new Set(mentions.filter(({ isException }) => isException).map(nameOf));
  const meant = mentions.filter((mention) => !mention.isException && !out.has(nameOf(mention)));
  return [...new Set(meant.map(({ clause }) => clause))].sort((a, b) => a - b);
}
