// SPDX-License-Identifier: Apache-2.0
import { DIGITS, FIELD_VALUE, SP } from '../http/grammar.ts';
import { Reject } from '../http/reasons.ts';
import { Assembler } from './assembler.ts';
import { FINAL_BIT, HeaderId, MAX_STATES, NO_AUDIT, Op, TableFlag } from './format.ts';
import { closeFrame, placeFrame, placeFraming, placeVersion } from './message-frame.ts';
import { writeTable } from './serialise.ts';
import { type HeadTable, load } from './table.ts';

/**
 * The table of the strict response head: status line, framing, hop-by-hop names, and `record`, which are numbered
 * from HeaderId.FirstRecorded. Build it once and share it.
 */
export function responseTable(record: readonly string[] = []): HeadTable {
  const asm = new Assembler(MAX_STATES);
  const frame = placeFrame(asm);
  const reason = asm.state(Reject.BadStatusLine);
  asm.on(reason, FIELD_VALUE, reason);
  asm.onLineEnd(reason, frame.lineFeed);
  const codeEnd = asm.state(Reject.BadStatusLine);
  asm.on(codeEnd, SP, reason);
  asm.onLineEnd(codeEnd, frame.lineFeed);
  let next = codeEnd;
  for (let digit = 2; digit >= 0; digit--) {
    const state = asm.state(Reject.BadStatusLine);
    for (let value = 0; value < 10; value++) {
      if (DIGITS[0x30 + value] !== 1 || (digit === 0 && (value === 0 || value > 5))) continue;
      asm.on(state, 0x30 + value, asm.action({ op: Op.Digit, id: 1, register: value, next }));
    }
    next = state;
  }
  const afterVersion = asm.state(Reject.BadStatusLine);
  asm.on(afterVersion, SP, next);
  const start = placeVersion(asm, afterVersion, Reject.BadStatusLine);
  placeFraming(asm, frame, { guarded: [], soft: [], ambiguous: 0 });
  const named: [string, number][] = [['upgrade', HeaderId.Upgrade]];
  record.forEach((name, index) => named.push([name.toLowerCase(), HeaderId.FirstRecorded + index]));
  for (const [name, id] of named) {
    if (frame.headers.some((header) => header.name === name)) continue;
    frame.headers.push({ name, entry: asm.action({ op: Op.Header, id, next: frame.skip }) });
  }
  closeFrame(asm, frame);
  const bytes = writeTable({
    asm,
    start,
    skip: frame.skip,
    registers: [{ number: 0, meaning: [], lanes: 0, start: 0, repeats: undefined }],
    pathRegisters: 1,
    requestLineRegisters: 1,
    decision: { words: Uint32Array.of(), root: FINAL_BIT, verdicts: Uint32Array.of(0, 0) },
    auditRoot: NO_AUDIT,
    flags: TableFlag.Response,
  });
  return load(bytes);
}
