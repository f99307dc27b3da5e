// SPDX-License-Identifier: Apache-2.0
import { type Node, RegexSyntaxError, UNBOUNDED } from './syntax.ts';

export const Inst = { Match: 0, Bytes: 1, Split: 2, Assert: 3 } as const;

/** A Thompson NFA. Instruction `i`: `ops[i]`, its argument (set number, condition) and one or two successors. */
export interface Program {
  readonly ops: readonly number[];
  readonly args: readonly number[];
  readonly next: readonly number[];
  readonly other: readonly number[];
  readonly sets: readonly Uint8Array[];
  readonly start: number;
  readonly hasAssertions: boolean;
}

/** More instructions than this are refused. */
export const MAX_PROGRAM = 20_000;

/** Translates a tree; throws RegexSyntaxError when the program gets too large. */
export function buildProgram(tree: Node): Program {
  const builder = new Builder();
  const match = builder.add(Inst.Match, 0, -1, -1);
  const start = builder.node(tree, match);
  const { ops, args, next, other, sets } = builder;
  return { ops, args, next, other, sets, start, hasAssertions: ops.includes(Inst.Assert) };
}

/** Builds backwards: each node is given the instruction that follows it. */
class Builder {
  readonly ops: number[] = [];
  readonly args: number[] = [];
  readonly next: number[] = [];
  readonly other: number[] = [];
  readonly sets: Uint8Array[] = [];
  readonly #interned = new Map<string, number>();

  add(op: number, arg: number, next: number, other: number): number {
    if (this.ops.length >= MAX_PROGRAM) throw new RegexSyntaxError('the expression is too large', 0);
    this.args.push(arg);
    this.next.push(next);
    this.other.push(other);
    return this.ops.push(op) - 1;
  }

  node(node: Node, after: number): number {
    switch (node.kind) {
      case 'empty':
        return after;
      case 'bytes':
        return this.add(Inst.Bytes, this.#set(node.set), after, -1);
      case 'assert':
        return this.add(Inst.Assert, node.what, after, -1);
      case 'cat':
        return node.parts.reduceRight((follow, part) => this.node(part, follow), after);
      case 'alt': {
        const starts = node.parts.map((part) => this.node(part, after));
        return starts.reduceRight((right, left) => this.add(Inst.Split, 0, left, right));
      }
      case 'repeat':
        return this.#repeat(node.part, node.min, node.max, after);
    }
  }

  #repeat(part: Node, min: number, max: number, after: number): number {
    let entry = after;
    if (max === UNBOUNDED) {
      const loop = this.add(Inst.Split, 0, -1, after);
      this.next[loop] = this.node(part, loop);
      entry = loop;
    } else {
      for (let i = min; i < max; i++) entry = this.add(Inst.Split, 0, this.node(part, entry), after);
    }
    for (let i = 0; i < min; i++) entry = this.node(part, entry);
    return entry;
  }

  #set(set: Uint8Array): number {
    const key = Buffer.from(set).toString('latin1');
    const known = this.#interned.get(key);
    if (known !== undefined) return known;
    this.#interned.set(key, this.sets.length);
    return this.sets.push(set) - 1;
  }
}
