// SPDX-License-Identifier: Apache-2.0
import { QUERY, SP } from '../http/grammar.ts';
import type { Assembler } from './assembler.ts';
import { Exit } from './exits.ts';
import { Flag, Op } from './format.ts';
import { targetReason } from './path-grammar.ts';
import { freeQuery, queryGrammar } from './query-field.ts';
import type { CompiledField } from './registers.ts';
import { type RequestFields, ambiguity, first, isSoft, setStart, settle } from './request-fields.ts';

const AMPERSAND = 0x26;

/** From after "?". Without parameters to read it is one loop; else names lead to values and back. */
export function placeQuery(asm: Assembler, fields: RequestFields, version: number): number {
  const done = asm.action({ op: Op.Step, flags: Flag.Target, next: version });
  if (fields.queryNames === undefined) return asm.place(freeQuery(false), () => done);
  const { dfa: names, meaning } = fields.queryNames;
  const sizes = fields.query.map((field) => first(field).dfa.size + queryGrammar().size);
  const names0 = sizes.reduce((sum, size) => sum + size, asm.rows.length + freeQuery(true).size);
  const other = asm.place(freeQuery(true), (exit) => (exit === Exit.Space ? done : names0));
  // What only Audit reads goes on like a parameter that nobody does.
  const soften = (byte: number): number => {
    const { ambiguous } = fields;
    if (byte === SP) return ambiguity(asm, ambiguous, { flags: Flag.Target, next: version });
    if (byte === AMPERSAND) return ambiguity(asm, ambiguous, { next: names0 });
    return QUERY[byte] === 1 ? ambiguity(asm, ambiguous, { next: other }) : asm.rejection(targetReason(byte));
  };
  const values = fields.query.map((field) => {
    const { dfa, register, open } = first(field);
    const softened = isSoft(field) ? soften : undefined;
    const end =
      (op: number) =>
      (exit: number): number =>
        exit === Exit.Space
          ? asm.action({ op, register, flags: Flag.Target, next: version })
          : asm.action({ op, register, next: names0 });
    const bare = asm.place(queryGrammar(), end(open === 0 ? Op.Step : Op.Lanes), softened);
    const leave = (exit: number): number => settle(asm, exit, register, bare) ?? end(Op.Value)(exit);
    return setStart(field, asm.place(dfa, leave, softened));
  });
  const placed = asm.place(names, () => 0, fields.query.every(isSoft) ? soften : undefined);
  if (placed !== names0) throw new RangeError('unreachable: parameter names were placed elsewhere');
  for (let state = 0; state < names.size; state++) {
    const index = meaning[(names.label[state] as number) - 1]?.[0] ?? -1;
    const field = fields.query[index];
    for (let byte = 0; byte < 256; byte++) {
      const exit = names.next[state * names.classes + (names.classOf[byte] as number)] as number;
      if (exit !== Exit.Space && exit !== Exit.Ampersand && exit !== Exit.Equals) continue;
      asm.on(
        placed + state,
        byte,
        nameExit(asm, exit, field, values[index] ?? 0, { other, names0, version, done }),
      );
    }
    asm.accept[placed + state] = 0;
  }
  return placed;
}

function nameExit(
  asm: Assembler,
  exit: number,
  field: CompiledField | undefined,
  value: number,
  to: { other: number; names0: number; version: number; done: number },
): number {
  if (field === undefined)
    return exit === Exit.Equals ? to.other : exit === Exit.Ampersand ? to.names0 : to.done;
  const { register, open } = first(field);
  if (exit === Exit.Equals) return open === 0 ? value : asm.action({ op: Op.Step, open, next: value });
  if (exit === Exit.Ampersand) return asm.action({ op: Op.Empty, register, next: to.names0 });
  return asm.action({ op: Op.Empty, register, flags: Flag.Target, next: to.version });
}
