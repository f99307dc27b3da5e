// SPDX-License-Identifier: Apache-2.0
import { FIELD_VALUE, PATH, SP } from '../http/grammar.ts';
import { Reject } from '../http/reasons.ts';
import type { Assembler } from './assembler.ts';
import { Exit } from './exits.ts';
import { Flag, HeaderId, Op } from './format.ts';
import { type MessageFrame, closeFrame, placeFrame, placeFraming, placeVersion } from './message-frame.ts';
import { placeMethods } from './method-states.ts';
import { freePath, pathGrammar } from './path-field.ts';
import { targetReason } from './path-grammar.ts';
import { placeQuery } from './query-states.ts';
import { type RequestFields, ambiguity, first, isSoft, setStart, settle } from './request-fields.ts';
import type { CompiledField } from './registers.ts';

const QUESTION = 0x3f;
const PERCENT = 0x25;
const TRACE_PARENT = 'traceparent';

/** States whose early-refusal masks the compiler fills in, by what they are. */
export interface RequestStates {
  readonly start: number;
  readonly skip: number;
  readonly methodStates: readonly number[];
  readonly pathStart: number;
  readonly pathSize: number;
}

/** Lays out the whole request head. */
export function placeRequest(asm: Assembler, fields: RequestFields): RequestStates {
  const frame = placeFrame(asm);
  for (const field of [fields.path, ...fields.query, fields.host, ...fields.headers]) placeLanes(asm, field);
  const versionEnd = asm.state(Reject.BadVersion);
  asm.onLineEnd(versionEnd, frame.lineFeed);
  const version = placeVersion(asm, versionEnd, Reject.BadVersion);
  const query = placeQuery(asm, fields, version);
  const path = placePath(asm, fields, query, version);
  const connect = placeConnect(asm, fields, version);
  const methods = placeMethods(asm, fields, path.start, connect, version);
  placeHeaders(asm, fields, frame);
  return {
    start: methods.start,
    skip: frame.skip,
    methodStates: methods.states,
    pathStart: path.start,
    pathSize: path.size,
  };
}

/** Further lanes of a field come first: its registers must know where they begin. */
function placeLanes(asm: Assembler, field: CompiledField | undefined): void {
  for (const [index, lane] of (field?.lanes ?? []).entries()) {
    const register = field?.registers[index];
    if (index > 0 && register !== undefined) register.start = asm.placeLane(lane);
  }
}

function placePath(
  asm: Assembler,
  { path: field, ambiguous }: RequestFields,
  query: number,
  version: number,
): { start: number; size: number } {
  const end =
    (op: number, register: number) =>
    (exit: number): number =>
      exit === Exit.Question
        ? asm.action({ op, register, flags: Flag.Path, next: query })
        : asm.action({ op, register, flags: Flag.Path | Flag.Target, next: version });
  if (field === undefined) return { start: asm.place(freePath(), end(Op.Step, 0)), size: 0 };
  const { dfa, register, open } = first(field);
  const soften = isSoft(field) ? softPath(asm, ambiguous, query, version) : undefined;
  const bare = asm.place(pathGrammar(), end(open === 0 ? Op.Step : Op.Lanes, register), soften);
  const leave = (exit: number): number => settle(asm, exit, register, bare) ?? end(Op.Value, register)(exit);
  const start = asm.place(dfa, leave, soften);
  // Early refusal asks nothing of a path that no enforced rule reads.
  return { start: setStart(field, start), size: isSoft(field) ? 0 : dfa.size };
}

/** What a path that nothing enforced reads may hold, once it can be read in two ways. State 0 is before its slash. */
function softPath(
  asm: Assembler,
  ambiguous: number,
  query: number,
  version: number,
): (byte: number, state: number) => number | undefined {
  const free = asm.place(freePath(), (exit) =>
    exit === Exit.Question
      ? asm.action({ op: Op.Step, flags: Flag.Path, next: query })
      : asm.action({ op: Op.Step, flags: Flag.Path | Flag.Target, next: version }),
  );
  const rest = free + 1;
  return (byte, state) => {
    if (state === 0) return undefined;
    if (byte === SP) return ambiguity(asm, ambiguous, { flags: Flag.Path | Flag.Target, next: version });
    if (byte === QUESTION) return ambiguity(asm, ambiguous, { flags: Flag.Path, next: query });
    return PATH[byte] === 1 || byte === PERCENT
      ? ambiguity(asm, ambiguous, { next: rest })
      : asm.rejection(targetReason(byte));
  };
}

function placeConnect(asm: Assembler, { connect, host }: RequestFields, version: number): number {
  const { register } = first(host);
  return asm.place(connect, () =>
    asm.action({ op: Op.Value, register, flags: Flag.Path | Flag.Target, next: version }),
  );
}

function placeHeaders(asm: Assembler, fields: RequestFields, frame: MessageFrame): void {
  const { headers, lineFeed } = frame;
  const guarded = asm.rejection(Reject.AmbiguousName);
  const read = fields.headers.map(({ plan }) => plan);
  const { ambiguous } = fields;
  placeFraming(asm, frame, {
    guarded: read.filter(({ enforced }) => enforced).map(({ name }) => name),
    soft: read.filter(({ enforced }) => !enforced).map(({ name }) => name),
    ambiguous,
  });
  const host = first(fields.host);
  const hostState = asm.place(host.dfa, () =>
    asm.action({ op: Op.Value, register: host.register, next: lineFeed }),
  );
  setStart(fields.host, hostState);
  headers.push({
    name: 'host',
    entry: asm.action({
      op: Op.Header,
      id: HeaderId.Host,
      open: host.open,
      next: hostState,
      flags: Flag.Host,
      reject: Reject.RepeatedHost,
    }),
    folded: guarded,
  });
  const goOn = asm.action({ op: Op.Step, flags: Flag.Continue, next: lineFeed });
  const expect = asm.keyword('100-continue', Reject.Expectation, goOn);
  headers.push({
    name: 'expect',
    entry: asm.action({ op: Op.Header, id: HeaderId.Expect, next: expect }),
    folded: guarded,
  });
  for (const field of fields.headers) {
    const { dfa, register, open } = first(field);
    const { name } = field.plan;
    const bare = open === 0 ? frame.skip : placeRest(asm, register, lineFeed);
    const end = asm.action({ op: Op.Value, register, next: lineFeed });
    const next = setStart(
      field,
      asm.place(dfa, (exit) => settle(asm, exit, register, bare) ?? end),
    );
    const recorded = fields.record.indexOf(name);
    const isUpgrade = name === 'upgrade';
    const kept = isUpgrade ? HeaderId.Upgrade : recorded >= 0 ? HeaderId.FirstRecorded + recorded : 0;
    const id = kept === 0 && name === TRACE_PARENT ? HeaderId.TraceParent : kept;
    const op = kept === 0 ? Op.Step : Op.Header;
    const flags = isUpgrade ? Flag.Upgrade : 0;
    const folded = isSoft(field) && !isUpgrade ? ambiguity(asm, ambiguous, { next: frame.skip }) : undefined;
    headers.push({ name, entry: asm.action({ op, id, open, next, flags }), folded: folded ?? guarded });
  }
  for (const [index, name] of fields.record.entries()) {
    if (headers.some((header) => header.name === name)) continue;
    const id = HeaderId.FirstRecorded + index;
    headers.push({ name, entry: asm.action({ op: Op.Header, id, next: frame.skip }) });
  }
  if (!headers.some(({ name }) => name === TRACE_PARENT)) {
    const id = HeaderId.TraceParent;
    headers.push({ name: TRACE_PARENT, entry: asm.action({ op: Op.Skip, id, next: frame.skip }) });
  }
  closeFrame(asm, frame);
}

/** The rest of a value whose first lane is settled while others go on. */
function placeRest(asm: Assembler, register: number, lineFeed: number): number {
  const rest = asm.state(Reject.BadValue);
  asm.on(rest, FIELD_VALUE, rest);
  asm.onLineEnd(rest, asm.action({ op: Op.Lanes, register, next: lineFeed }));
  return rest;
}
