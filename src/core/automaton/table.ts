// SPDX-License-Identifier: Apache-2.0
import { endianness } from 'node:os';
import { PerigeeError } from '../../lib/errors.ts';
import {
  ACTION_BIT,
  ACTION_BYTES,
  FINAL_BIT,
  FORMAT_VERSION,
  HEADER_BYTES,
  HeaderWord,
  MAGIC,
  MAX_STATES,
  NO_AUDIT,
  REGISTER_BYTES,
} from './format.ts';

/** Views over the bytes of one table; nothing is copied or decoded, executors run on these. */
export interface HeadTable {
  readonly bytes: Uint8Array;
  readonly header: Uint32Array;
  readonly classMap: Uint8Array;
  readonly next: Uint16Array;
  readonly shift: number;
  readonly accept: Uint16Array;
  readonly alive: Uint32Array;
  /** The same action records as bytes, u16 and u32. */
  readonly actions8: Uint8Array;
  readonly actions16: Uint16Array;
  readonly actions32: Uint32Array;
  readonly registers16: Uint16Array;
  readonly registers32: Uint32Array;
  readonly sets: Uint16Array;
  readonly decision: Uint32Array;
  readonly verdicts: Uint32Array;
  readonly start: number;
  readonly skip: number;
  readonly registers: number;
}

function bad(what: string): PerigeeError {
  return new PerigeeError('ERR_TABLE_INVALID', `the automaton table is damaged: ${what}`);
}

/**
 * Checks a table from `serialise` and returns the views that executors run on. Every index an executor will
 * follow is checked here, so that running never needs to.
 */
export function load(input: Uint8Array): HeadTable {
  if (endianness() !== 'LE') throw bad('tables are little endian and this machine is not');
  if (input.byteLength < HEADER_BYTES) throw bad('too short');
  const bytes = input.byteOffset % 8 === 0 ? input : Uint8Array.from(input);
  const { buffer, byteOffset } = bytes;
  const header = new Uint32Array(buffer, byteOffset, HEADER_BYTES / 4);
  const word = (index: number): number => header[index] ?? 0;
  if (word(HeaderWord.Magic) !== MAGIC) throw bad('wrong magic');
  if (word(HeaderWord.Version) !== FORMAT_VERSION) throw bad(`version ${word(HeaderWord.Version)}`);
  if (word(HeaderWord.TotalBytes) !== bytes.byteLength) throw bad('wrong length');
  const section = (offset: number, size: number, what: string): number => {
    if (offset % 8 !== 0 || offset < HEADER_BYTES || offset + size > bytes.byteLength) throw bad(what);
    return byteOffset + offset;
  };
  const states = word(HeaderWord.States);
  const shift = word(HeaderWord.StrideShift);
  const actions = word(HeaderWord.Actions);
  const registers = word(HeaderWord.Registers);
  if (states === 0 || states > MAX_STATES || shift > 8 || registers === 0 || registers > 255)
    throw bad('counts');
  const actionsAt = section(word(HeaderWord.ActionsOffset), actions * ACTION_BYTES, 'actions');
  const registersAt = section(word(HeaderWord.RegistersOffset), registers * REGISTER_BYTES, 'registers');
  const view16 = (offset: number, count: number, what: string): Uint16Array =>
    new Uint16Array(buffer, section(offset, count * 2, what), count);
  const view32 = (offset: number, count: number, what: string): Uint32Array =>
    new Uint32Array(buffer, section(offset, count * 4, what), count);
  const table: HeadTable = {
    bytes,
    header,
    classMap: new Uint8Array(buffer, section(word(HeaderWord.ClassMapOffset), 256, 'class map'), 256),
    next: view16(word(HeaderWord.NextOffset), states << shift, 'transitions'),
    shift,
    accept: view16(word(HeaderWord.AcceptOffset), states, 'accept ids'),
    alive: view32(word(HeaderWord.AliveOffset), states, 'alive masks'),
    actions8: new Uint8Array(buffer, actionsAt, actions * ACTION_BYTES),
    actions16: new Uint16Array(buffer, actionsAt, (actions * ACTION_BYTES) / 2),
    actions32: new Uint32Array(buffer, actionsAt, (actions * ACTION_BYTES) / 4),
    registers16: new Uint16Array(buffer, registersAt, (registers * REGISTER_BYTES) / 2),
    registers32: new Uint32Array(buffer, registersAt, (registers * REGISTER_BYTES) / 4),
    sets: view16(word(HeaderWord.SetsOffset), word(HeaderWord.SetsCount), 'sets'),
    decision: view32(word(HeaderWord.DecisionOffset), word(HeaderWord.DecisionWords), 'decision'),
    verdicts: view32(word(HeaderWord.VerdictsOffset), word(HeaderWord.Verdicts) * 2, 'verdicts'),
    start: word(HeaderWord.StartState),
    skip: word(HeaderWord.SkipState),
    registers,
  };
  checkIndices(table, states, actions);
  return table;
}

function checkIndices(table: HeadTable, states: number, actions: number): void {
  if (table.start >= states || table.skip >= states) throw bad('start state');
  for (const entry of table.next) {
    const limit = entry < ACTION_BIT ? states : actions + ACTION_BIT;
    if (entry >= limit) throw bad('transition out of range');
  }
  for (const byteClass of table.classMap) if (byteClass >> table.shift !== 0) throw bad('class out of range');
  for (let a = 0; a < actions; a++) {
    if ((table.actions16[a * 8 + 2] ?? 0) >= states) throw bad('action state');
    const used = Math.max(table.actions8[a * 16 + 1] ?? 0, table.actions8[a * 16 + 2] ?? 0);
    const op = table.actions8[a * 16] ?? 0;
    if (op !== 6 && used > table.registers) throw bad('action register');
  }
  checkRoots(table);
}

function checkRoots(table: HeadTable): void {
  const verdicts = table.verdicts.length / 2;
  const inRange = (word: number): boolean =>
    word >= FINAL_BIT ? word - FINAL_BIT < verdicts : word < table.decision.length;
  if (!inRange(table.header[HeaderWord.DecisionRoot] ?? 0)) throw bad('decision root');
  const audit = table.header[HeaderWord.AuditRoot] ?? 0;
  if (audit !== NO_AUDIT && !inRange(audit)) throw bad('audit root');
}
