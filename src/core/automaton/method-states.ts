// SPDX-License-Identifier: Apache-2.0
import { CR, LF, SP, TOKEN } from '../http/grammar.ts';
import { Reject } from '../http/reasons.ts';
import type { Assembler } from './assembler.ts';
import { Flag, Op } from './format.ts';
import { METHOD_REGISTER, type RequestFields, first } from './request-fields.ts';

const METHOD_FLAGS: ReadonlyMap<string, number> = new Map([
  ['HEAD', Flag.HeadMethod],
  ['CONNECT', Flag.ConnectMethod],
]);

/** Methods are a trie of the names that matter; each end leads to the target form that the method takes. */
export function placeMethods(
  asm: Assembler,
  fields: RequestFields,
  path: number,
  connect: number,
  version: number,
): { start: number; states: number[] } {
  const asteriskEnd = asm.state(Reject.AsteriskForm);
  asm.on(asteriskEnd, SP, asm.action({ op: Op.Step, flags: Flag.Path | Flag.Target, next: version }));
  const options = asm.copy(path);
  asm.on(options, 0x2a, asteriskEnd);
  const preface = asm.copy(path);
  asm.on(preface, 0x2a, asm.rejection(Reject.Http2));
  const targets = new Map([
    ['OPTIONS', options],
    ['CONNECT', connect],
    ['PRI', preface],
  ]);
  const open = fields.path === undefined ? 0 : first(fields.path).open;
  const names = [...new Set([...fields.methods, ...targets.keys(), ...METHOD_FLAGS.keys()])];
  const states: number[] = [];
  const end = (state: number, name: string): void => {
    states.push(state);
    asm.accept[state] = fields.methods.includes(name) ? fields.methods.indexOf(name) + 2 : 1;
    const flags = Flag.Method | (METHOD_FLAGS.get(name) ?? 0);
    const next = targets.get(name) ?? path;
    const opens = name === 'CONNECT' ? first(fields.host).open : open;
    asm.on(state, SP, asm.action({ op: Op.Value, register: METHOD_REGISTER, flags, next, open: opens }));
    for (const byte of [CR, LF]) asm.on(state, byte, asm.rejection(Reject.Http09));
  };
  const other = asm.state(Reject.BadMethod);
  asm.on(other, TOKEN, other);
  end(other, '');
  const start = asm.state(Reject.BadMethod);
  states.push(start);
  for (const byte of [CR, LF]) asm.on(start, byte, asm.rejection(Reject.LeadingEmptyLine));
  asm.on(start, TOKEN, other);
  const nodes = [{ state: start, prefix: '' }];
  for (let node = nodes.pop(); node !== undefined; node = nodes.pop()) {
    const { prefix, state } = node;
    for (const letter of new Set(names.filter((n) => n.startsWith(prefix)).map((n) => n[prefix.length]))) {
      if (letter === undefined) continue;
      const child = asm.state(Reject.BadMethod);
      asm.on(child, TOKEN, other);
      end(child, prefix + letter);
      asm.on(state, letter.charCodeAt(0), child);
      nodes.push({ state: child, prefix: prefix + letter });
    }
  }
  return { start, states };
}
