// SPDX-License-Identifier: Apache-2.0
import type { Assembler } from './assembler.ts';
import type { Decision } from './decision.ts';
import { ACTION_BYTES, FORMAT_VERSION, HEADER_BYTES, HeaderWord, MAGIC, REGISTER_BYTES } from './format.ts';
import type { Register } from './registers.ts';

/** Everything a table is written from. */
export interface TableParts {
  readonly asm: Assembler;
  readonly start: number;
  readonly skip: number;
  readonly registers: readonly Register[];
  /** Registers known once the path, and the whole target, has been read. */
  readonly pathRegisters: number;
  readonly requestLineRegisters: number;
  readonly decision: Decision;
  /** Root of the diagram of what would be refused, in the same words; NO_AUDIT: none. */
  readonly auditRoot: number;
  readonly flags: number;
}

/** Writes the table; the layout is in docs/design/automaton.md. Explicitly little endian, on any machine. */
export function writeTable(parts: TableParts): Uint8Array {
  const { asm, registers, decision } = parts;
  const { classOf, classes } = byteClasses(asm.rows);
  const shift = Math.ceil(Math.log2(Math.max(classes, 2)));
  const { sets, records } = registerRecords(registers);
  const layout = new Layout();
  const words: Record<number, number> = {
    [HeaderWord.Magic]: MAGIC,
    [HeaderWord.Version]: FORMAT_VERSION,
    [HeaderWord.Flags]: parts.flags,
    [HeaderWord.States]: asm.rows.length,
    [HeaderWord.Classes]: classes,
    [HeaderWord.StrideShift]: shift,
    [HeaderWord.StartState]: parts.start,
    [HeaderWord.SkipState]: parts.skip,
    [HeaderWord.Registers]: registers.length,
    [HeaderWord.RequestLineRegisters]: parts.requestLineRegisters,
    [HeaderWord.PathRegisters]: parts.pathRegisters,
    [HeaderWord.ClassMapOffset]: layout.take(256),
    [HeaderWord.AcceptOffset]: layout.take(asm.rows.length * 2),
    [HeaderWord.AliveOffset]: layout.take(asm.rows.length * 4),
    [HeaderWord.ActionsOffset]: layout.take(asm.actions.length * ACTION_BYTES),
    [HeaderWord.Actions]: asm.actions.length,
    [HeaderWord.RegistersOffset]: layout.take(registers.length * REGISTER_BYTES),
    [HeaderWord.SetsOffset]: layout.take(sets.length * 2),
    [HeaderWord.SetsCount]: sets.length,
    [HeaderWord.DecisionOffset]: layout.take(decision.words.length * 4),
    [HeaderWord.DecisionWords]: decision.words.length,
    [HeaderWord.DecisionRoot]: decision.root,
    [HeaderWord.AuditRoot]: parts.auditRoot,
    [HeaderWord.VerdictsOffset]: layout.take(decision.verdicts.length * 4),
    [HeaderWord.Verdicts]: decision.verdicts.length / 2,
    [HeaderWord.NextOffset]: layout.take((asm.rows.length << shift) * 2),
  };
  words[HeaderWord.TotalBytes] = layout.end;
  const bytes = new Uint8Array(layout.end);
  const view = new DataView(bytes.buffer);
  const at = (word: number): number => words[word] ?? 0;
  for (const [word, value] of Object.entries(words)) view.setUint32(Number(word) * 4, value, true);
  bytes.set(classOf, at(HeaderWord.ClassMapOffset));
  asm.accept.forEach((id, state) => view.setUint16(at(HeaderWord.AcceptOffset) + state * 2, id, true));
  asm.alive.forEach((mask, state) => view.setUint32(at(HeaderWord.AliveOffset) + state * 4, mask, true));
  asm.actions.forEach((action, index) => {
    const base = at(HeaderWord.ActionsOffset) + index * ACTION_BYTES;
    bytes.set([action.op, action.register, action.open, action.id], base);
    view.setUint16(base + 4, action.next, true);
    view.setUint16(base + 6, action.reject, true);
    view.setUint32(base + 8, action.flags, true);
    view.setUint32(base + 12, action.value, true);
  });
  records.forEach((record, index) => {
    const base = at(HeaderWord.RegistersOffset) + index * REGISTER_BYTES;
    record.u16.forEach((value, i) => view.setUint16(base + i * 2, value, true));
    record.u32.forEach((value, i) => view.setUint32(base + 8 + i * 4, value, true));
  });
  sets.forEach((value, i) => view.setUint16(at(HeaderWord.SetsOffset) + i * 2, value, true));
  decision.words.forEach((value, i) => view.setUint32(at(HeaderWord.DecisionOffset) + i * 4, value, true));
  decision.verdicts.forEach((value, i) => view.setUint32(at(HeaderWord.VerdictsOffset) + i * 4, value, true));
  const representatives = classOf.reduce<number[]>((found, k, byte) => {
    found[k] ??= byte;
    return found;
  }, []);
  const nextAt = at(HeaderWord.NextOffset);
  asm.rows.forEach((row, state) => {
    representatives.forEach((byte, k) =>
      view.setUint16(nextAt + ((state << shift) + k) * 2, row[byte] ?? 0, true),
    );
  });
  return bytes;
}

/** Hands out offsets of sections, each on a boundary of 8 bytes. */
class Layout {
  end = HEADER_BYTES;

  take(size: number): number {
    const offset = this.end;
    this.end = (offset + size + 7) & ~7;
    return offset;
  }
}

/** Bytes that every state treats alike share a class. */
function byteClasses(rows: readonly Uint16Array[]): { classOf: Uint8Array; classes: number } {
  const classOf = new Uint8Array(256);
  let representatives = [0];
  for (const row of rows) {
    let agree = true;
    for (let byte = 0; byte < 256 && agree; byte++)
      agree = row[byte] === row[representatives[classOf[byte] as number] as number];
    if (agree) continue;
    const split = new Map<number, number>();
    representatives = [];
    for (let byte = 0; byte < 256; byte++) {
      const key = (classOf[byte] as number) * 0x10000 + (row[byte] as number);
      if (!split.has(key)) {
        split.set(key, representatives.length);
        representatives.push(byte);
      }
      classOf[byte] = split.get(key) as number;
    }
  }
  return { classOf, classes: representatives.length };
}

interface RegisterRecord {
  readonly u16: readonly number[];
  readonly u32: readonly number[];
}

function registerRecords(registers: readonly Register[]): { sets: number[]; records: RegisterRecord[] } {
  const sets: number[] = [];
  const records = registers.map(({ lanes, start, repeats }) => {
    if (repeats === undefined) return { u16: [lanes, start, 0, 0], u32: [0, 0] };
    const kinds = sets.length;
    sets.push(...repeats.kinds);
    const joins = sets.length;
    sets.push(...repeats.joins);
    return { u16: [lanes, start, repeats.firstClass, repeats.sets.length], u32: [kinds, joins] };
  });
  return { sets, records };
}
