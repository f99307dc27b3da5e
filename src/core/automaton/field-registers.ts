// SPDX-License-Identifier: Apache-2.0
import type { HeadTable } from './table.ts';

/**
 * The classes of a head's fields so far, 0 for absent, and the lanes of the field that is being read. Lanes are
 * further automata over the same field; they run over each piece of it at once.
 */
export class FieldRegisters {
  readonly values = new Uint16Array(256);
  /** The field with lanes that is being read, or -1. */
  open = -1;
  #table: HeadTable;
  readonly #lanes = new Uint16Array(256);
  /** Position in the head up to which the lanes have run. */
  #done = 0;

  constructor(table: HeadTable) {
    this.#table = table;
  }

  reset(table: HeadTable): void {
    this.values.fill(0, 0, Math.max(this.#table.registers, table.registers));
    this.#table = table;
    this.open = -1;
  }

  /** A field with lanes begins at this position. */
  begin(field: number, position: number): void {
    const { registers16 } = this.#table;
    const lanes = registers16[field * 8] as number;
    this.open = field;
    this.#done = position;
    for (let lane = 0; lane < lanes; lane++)
      this.#lanes[lane] = registers16[(field + 1 + lane) * 8 + 1] as number;
  }

  /** Lets the lanes read on to index `to`; `base` turns indices into positions. */
  run(buf: Uint8Array, to: number, base: number): void {
    const { next, classMap, shift, registers16 } = this.#table;
    const from = this.#done - base;
    const lanes = registers16[this.open * 8] as number;
    for (let lane = 0; lane < lanes; lane++) {
      let s = this.#lanes[lane] as number;
      for (let i = from; i < to; i++)
        s = next[(s << shift) | (classMap[buf[i] as number] as number)] as number;
      this.#lanes[lane] = s;
    }
    this.#done = base + to;
  }

  /** The field of a register ended. False if it can't repeat and says something else than before. */
  end(register: number, value: number): boolean {
    const agrees = this.set(register, value);
    return this.endLanes(register) && agrees;
  }

  /** The field ended whose first class was set before. */
  endLanes(register: number): boolean {
    const { accept, registers16 } = this.#table;
    const lanes = registers16[register * 8] as number;
    let agree = true;
    for (let lane = 0; lane < lanes; lane++)
      agree = this.set(register + 1 + lane, accept[this.#lanes[lane] as number] as number) && agree;
    this.open = -1;
    return agree;
  }

  /** The field is present without a value. */
  empty(register: number): void {
    const { accept, registers16 } = this.#table;
    const lanes = registers16[register * 8] as number;
    for (let r = register; r <= register + lanes; r++)
      this.set(r, accept[registers16[r * 8 + 1] as number] as number);
  }

  /** A field seen before: what any of its lines matched is joined. Fields that can't repeat must agree. */
  set(register: number, value: number): boolean {
    const { registers16, registers32, sets } = this.#table;
    const old = this.values[register] as number;
    if (old === 0) {
      this.values[register] = value;
      return true;
    }
    const repeated = registers16[register * 8 + 2] as number;
    if (repeated === 0) return old === value;
    const joins = registers16[register * 8 + 3] as number;
    const kinds = registers32[register * 4 + 2] as number;
    const join = registers32[register * 4 + 3] as number;
    const a = sets[kinds + old] as number;
    const b = sets[kinds + value] as number;
    this.values[register] = repeated + (sets[join + a * joins + b] as number);
    return true;
  }
}
