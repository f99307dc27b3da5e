// SPDX-License-Identifier: Apache-2.0
import { PerigeeError } from '../../lib/errors.ts';
import { fillAlive } from './alive.ts';
import { Assembler } from './assembler.ts';
import { checkRules } from './check-rules.ts';
import { Undecidable } from './component.ts';
import { type DecisionMatch, buildDecision } from './decision.ts';
import { FINAL_BIT, MAX_STATES, TableFlag } from './format.ts';
import { hostField } from './host-field.ts';
import { literalComponent } from './literals.ts';
import { pathField, pathLane } from './path-field.ts';
import { ABSENT, type FieldPlan, PRESENT, type Plan, planRules } from './plan.ts';
import { queryField } from './query-field.ts';
import {
  type CompiledField,
  type Register,
  classCount,
  compileField,
  predicateClasses,
} from './registers.ts';
import { METHOD_REGISTER } from './request-fields.ts';
import { placeRequest } from './request-table.ts';
import type { RuleSet } from './rules.ts';
import { writeTable } from './serialise.ts';
import { valueField } from './value-field.ts';

/** Budgets of one table. */
export interface TableLimits {
  readonly states: number;
  readonly registers: number;
  readonly lanes: number;
  readonly decisionWords: number;
  readonly bytes: number;
}

/** What the proxy will run. */
export const PROXY_LIMITS: TableLimits = {
  states: MAX_STATES,
  registers: 128,
  lanes: 64,
  decisionWords: 1 << 20,
  bytes: 32 << 20,
};

/** What fits the kernel's maps and 64 bytes of state per connection. */
export const INLINE_LIMITS: TableLimits = {
  states: 16384,
  registers: 16,
  lanes: 4,
  decisionWords: 1 << 16,
  bytes: 4 << 20,
};

export interface CompileOptions {
  /** Further header names whose lines executors record, numbered from HeaderId.FirstRecorded. */
  readonly record?: readonly string[];
  readonly limits?: TableLimits;
}

/** A compiled rule set. */
export interface Automaton {
  readonly bytes: Uint8Array;
  /** Header names (lower case) that rules read; they can neither be nominated by Connection nor be trailers. */
  readonly readHeaders: readonly string[];
  /**
   * Set when the rules fit no table: then the bytes carry the grammar only and every verdict of theirs is a
   * refusal; `evaluateHttp` knows the answer.
   */
  readonly undecidable: string | undefined;
  /** Set when the proxy can run the table but the kernel can't. */
  readonly notInline: string | undefined;
  readonly states: number;
  readonly classes: number;
  /** The most automata that run side by side over one field. */
  readonly lanes: number;
  readonly registers: number;
  readonly decisionWords: number;
  readonly compileMs: number;
}

/** Compiles rules to one table. Throws ERR_L7_RULES for rules that `checkRules` finds fault with. */
export function compile(rules: RuleSet, options: CompileOptions = {}): Automaton {
  const [problem] = checkRules(rules);
  if (problem !== undefined)
    throw new PerigeeError('ERR_L7_RULES', `${problem.path}: ${problem.message}`, { object: problem.path });
  const begun = performance.now();
  const plan = planRules(rules);
  const record = (options.record ?? []).map((name) => name.toLowerCase());
  const finish = (built: Built, undecidable: string | undefined): Automaton => ({
    ...built,
    readHeaders: plan.headers.map(({ name }) => name),
    undecidable,
    notInline: undecidable ?? overLimits(built, INLINE_LIMITS),
    compileMs: performance.now() - begun,
  });
  try {
    return finish(build(plan, record, options.limits ?? PROXY_LIMITS, true), undefined);
  } catch (error) {
    if (!(error instanceof Undecidable)) throw error;
    return finish(build(plan, record, PROXY_LIMITS, false), error.message);
  }
}

/** The numbers that reports show. */
export function describe(automaton: Automaton): {
  states: number;
  classes: number;
  bytes: number;
  compileMs: number;
} {
  const { states, classes, bytes, compileMs } = automaton;
  return { states, classes, bytes: bytes.byteLength, compileMs };
}

/** The exact bytes that executors run. */
export function serialise(automaton: Automaton): Uint8Array {
  return automaton.bytes;
}

interface Built {
  readonly bytes: Uint8Array;
  readonly states: number;
  readonly classes: number;
  readonly lanes: number;
  readonly registers: number;
  readonly decisionWords: number;
}

function build(plan: Plan, record: readonly string[], limits: TableLimits, decide: boolean): Built {
  const counter = { next: METHOD_REGISTER + 1 };
  const field = (of: FieldPlan, lift: Parameters<typeof compileField>[3]): CompiledField => {
    const compiled = compileField(of, decide ? of.predicates : [], counter.next, lift, limits);
    counter.next += compiled.registers.length;
    return compiled;
  };
  const { states } = limits;
  const path = plan.readsPath
    ? field(plan.path, (lane, index) => (index === 0 ? pathField : pathLane)(lane, states))
    : undefined;
  const pathRegisters = counter.next;
  const query = plan.query.map((of) => field(of, (lane) => queryField(lane, false, states)));
  const requestLineRegisters = counter.next;
  const connect: ReturnType<typeof hostField>[] = [];
  const host = field(plan.host, (lane) => {
    connect.push(hostField(lane, 'connect', states));
    return hostField(lane, 'header', states);
  });
  const headers = plan.headers.map((of) => field(of, (lane) => valueField(lane, states)));
  if (counter.next > limits.registers) throw new Undecidable(`needs ${counter.next} registers`);
  const names = plan.query.map(({ name }, predicate) => ({
    predicate,
    bytes: Buffer.from(name),
    prefix: false,
  }));
  const nameTrie = literalComponent(names);
  const queryNames =
    names.length === 0 ? undefined : { dfa: queryField(nameTrie, true, states), meaning: nameTrie.meaning };
  const methods = [...new Set([...plan.methods, 'CONNECT'])];
  const asm = new Assembler(states);
  const [connectDfa] = connect;
  if (connectDfa === undefined) throw new RangeError('unreachable: host has a lane');
  const fields = { methods, path, queryNames, query, host, connect: connectDfa, headers, record };
  const placed = placeRequest(asm, fields);
  const compiled = [...(path === undefined ? [] : [path]), ...query, host, ...headers];
  const methodRegister: Register = {
    number: METHOD_REGISTER,
    meaning: [[], ...methods.map((_, index) => [index])],
    lanes: 0,
    start: 0,
    repeats: undefined,
  };
  const registers = [methodRegister, ...compiled.flatMap((one) => one.registers)];
  const counts = registers.map(classCount);
  const matches = decide ? decisionMatches(plan, methods, methodRegister, compiled) : [];
  const decision = buildDecision(matches, counts, limits.decisionWords);
  if (decide) fillAlive(asm, placed, decision, counts);
  const bytes = writeTable({
    asm,
    start: placed.start,
    skip: placed.skip,
    registers,
    pathRegisters,
    requestLineRegisters,
    decision: decide ? decision : { ...decision, root: FINAL_BIT },
    flags: decide ? 0 : TableFlag.Undecided,
  });
  if (bytes.byteLength > limits.bytes) throw new Undecidable(`the table has ${bytes.byteLength} bytes`);
  const classes = new DataView(bytes.buffer).getUint32(5 * 4, true);
  const lanes = Math.max(...compiled.map((one) => one.lanes.length));
  return {
    bytes,
    states: asm.rows.length,
    classes,
    lanes,
    registers: registers.length,
    decisionWords: decision.words.length,
  };
}

function decisionMatches(
  plan: Plan,
  methods: readonly string[],
  methodRegister: Register,
  compiled: readonly CompiledField[],
): DecisionMatch[] {
  const fields = new Map(compiled.map((field) => [field.plan, { field, known: predicateClasses(field) }]));
  const notConnect = allClasses(methodRegister).filter((k) => k !== methods.indexOf('CONNECT') + 2);
  return plan.matches.map(({ rule, deny, methods: named, conditions: given }) => {
    const conditions = new Map<number, readonly number[]>();
    const add = (register: Register, classes: readonly number[]): void => {
      const before = conditions.get(register.number);
      conditions.set(
        register.number,
        before === undefined ? classes : classes.filter((k) => before.includes(k)),
      );
    };
    if (named !== undefined)
      add(
        methodRegister,
        named.map((name) => methods.indexOf(name) + 2).sort((a, b) => a - b),
      );
    else if (!deny) add(methodRegister, notConnect);
    for (const { field: of, predicate } of given) {
      const { field, known } = fields.get(of) ?? {};
      const register = field?.registers[0];
      const entry = known?.get(predicate);
      if (register === undefined) throw new RangeError('unreachable: a field was not compiled');
      if (predicate === PRESENT) add(register, allClasses(register).slice(1));
      else if (predicate === ABSENT) add(register, [0]);
      else add(entry?.register ?? register, entry?.classes ?? []);
    }
    return { rule, deny, conditions };
  });
}

function allClasses(register: Register): number[] {
  return Array.from({ length: classCount(register) }, (_, k) => k);
}

function overLimits(built: Built, limits: TableLimits): string | undefined {
  const over = (what: string, value: number, limit: number): string | undefined =>
    value > limit ? `${value} ${what}, the kernel takes ${limit}` : undefined;
  return (
    over('states', built.states, limits.states) ??
    over('registers', built.registers, limits.registers) ??
    over('lanes', built.lanes, limits.lanes) ??
    over('decision words', built.decisionWords, limits.decisionWords) ??
    over('table bytes', built.bytes.byteLength, limits.bytes)
  );
}
