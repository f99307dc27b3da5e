// SPDX-License-Identifier: Apache-2.0
import { DEAD, explore } from '../regex/dfa.ts';
import { minimise } from '../regex/minimise.ts';
import { type Component, PredicateSets } from './component.ts';

/** A value compared as it is; as a prefix it also holds for every continuation that begins with "/". */
export interface Literal {
  readonly predicate: number;
  readonly bytes: Uint8Array;
  readonly prefix: boolean;
}

interface TrieNode {
  readonly children: Map<number, TrieNode>;
  readonly exact: number[];
  readonly prefix: number[];
}

const SLASH = 0x2f;

function emptyNode(): TrieNode {
  return { children: new Map(), exact: [], prefix: [] };
}

/** One automaton for any number of literals: their trie, with a sink for each set of prefixes passed. */
export function literalComponent(literals: readonly Literal[]): Component {
  const root = emptyNode();
  for (const { predicate, bytes, prefix } of literals) {
    let node = root;
    for (const byte of bytes) {
      let child = node.children.get(byte);
      if (child === undefined) {
        child = emptyNode();
        node.children.set(byte, child);
      }
      node = child;
    }
    (prefix ? node.prefix : node.exact).push(predicate);
  }
  const sets = new PredicateSets();
  const states: { readonly node: TrieNode | undefined; readonly inherited: number }[] = [];
  const numbers = new Map<TrieNode | number, number>();
  const number = (node: TrieNode | undefined, inherited: number): number => {
    if (node === undefined && inherited === 0) return DEAD;
    const identity = node ?? inherited;
    let known = numbers.get(identity);
    if (known === undefined) {
      known = states.push({ node, inherited }) - 1;
      numbers.set(identity, known);
    }
    return known;
  };
  const dfa = explore(
    {
      start: number(root, 0),
      step: (key, byte) => {
        const { node, inherited } = states[key] as (typeof states)[number];
        if (node === undefined) return key;
        const passed =
          byte === SLASH && node.prefix.length > 0
            ? sets.intern([...(sets.sets[inherited] ?? []), ...node.prefix])
            : inherited;
        return number(node.children.get(byte), passed);
      },
      label: (key) => {
        const { node, inherited } = states[key] as (typeof states)[number];
        if (node === undefined) return inherited;
        return sets.intern([...(sets.sets[inherited] ?? []), ...node.exact, ...node.prefix]);
      },
    },
    Infinity,
  );
  if (dfa === undefined) throw new RangeError('unreachable: no limit was given');
  return { dfa: minimise(dfa), meaning: sets.sets };
}
