// SPDX-License-Identifier: Apache-2.0
import { fillAlive } from './alive.ts';
import { Assembler } from './assembler.ts';
import { Undecidable } from './component.ts';
import { type Decision, type DecisionMatch, PASS_ALL, buildDecision } from './decision.ts';
import { NO_AUDIT, TableFlag } from './format.ts';
import { hostField } from './host-field.ts';
import { literalComponent } from './literals.ts';
import { pathField, pathLane } from './path-field.ts';
import { ABSENT, type FieldPlan, PRESENT, type Plan } from './plan.ts';
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

/** What a table is to be built from. */
export interface TableInput {
  readonly plan: Plan;
  /** Header names whose lines executors record. */
  readonly record: readonly string[];
  readonly limits: TableLimits;
  /** `nothing`: every request passes. `later`: the grammar is the table's, the verdict is not. */
  readonly enforce: 'rules' | 'nothing' | 'later';
  /** Report what the rules in Audit mode would refuse; of what none of them allows, as by this rule. */
  readonly audit: { readonly defaultDeny: number } | 'later' | undefined;
}

/** A table and its measures. */
export interface Built {
  readonly bytes: Uint8Array;
  readonly states: number;
  readonly classes: number;
  /** The most automata that run side by side over one field. */
  readonly lanes: number;
  readonly registers: number;
  readonly decisionWords: number;
}

/** Builds the table, or throws Undecidable if that takes more than the limits allow. */
export function buildTable({ plan, record, limits, enforce, audit }: TableInput): Built {
  const counter = { next: METHOD_REGISTER + 1 };
  const field = (of: FieldPlan, lift: Parameters<typeof compileField>[3]): CompiledField => {
    const compiled = compileField(of, enforce === 'later' ? [] : of.predicates, counter.next, lift, limits);
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
  const soft = [path, ...query, ...headers].some(
    (of) => of?.plan.enforced === false && of.plan.name !== 'upgrade',
  );
  const ambiguous = soft ? counter.next++ : 0;
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
  const fields = { methods, path, queryNames, query, host, connect: connectDfa, headers, record, ambiguous };
  const placed = placeRequest(asm, fields);
  const compiled = [...(path === undefined ? [] : [path]), ...query, host, ...headers];
  const methodRegister = plainRegister(METHOD_REGISTER, [[], ...methods.map((_, index) => [index])]);
  const registers = [methodRegister, ...compiled.flatMap((one) => one.registers)];
  if (soft) registers.push(plainRegister(ambiguous, [[0]]));
  const counts = registers.map(classCount);
  const matches = decisionMatches(plan, methods, methodRegister, compiled);
  const diagrams = buildDiagrams(matches, counts, ambiguous, { limits, enforce, audit });
  if (enforce !== 'later') fillAlive(asm, placed, diagrams.decision, counts);
  const bytes = writeTable({
    asm,
    start: placed.start,
    skip: placed.skip,
    registers,
    pathRegisters,
    requestLineRegisters,
    ...diagrams,
    flags:
      (enforce === 'later' ? TableFlag.Undecided : 0) | (audit === 'later' ? TableFlag.AuditUndecided : 0),
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
    decisionWords: diagrams.decision.words.length,
  };
}

interface AuditedMatch extends DecisionMatch {
  readonly audit: boolean;
}

function plainRegister(number: number, meaning: Register['meaning']): Register {
  return { number, meaning, lanes: 0, start: 0, repeats: undefined };
}

/** Both diagrams in one list of words; the decision's root is the first one's. */
function buildDiagrams(
  matches: readonly AuditedMatch[],
  counts: readonly number[],
  ambiguous: number,
  { limits, enforce, audit }: Pick<TableInput, 'limits' | 'enforce' | 'audit'>,
): { decision: Decision; auditRoot: number } {
  const words = limits.decisionWords;
  const all = enforce === 'nothing';
  const enforced = enforce === 'rules' ? matches.filter((match) => !match.audit) : [];
  const decision = all ? PASS_ALL : buildDecision(enforced, counts, words);
  if (typeof audit !== 'object') return { decision, auditRoot: NO_AUDIT };
  const { defaultDeny } = audit;
  const otherwise = all ? { rule: defaultDeny, allow: false } : { rule: 0, allow: true };
  const reported = auditMatches(matches, all, ambiguous, defaultDeny);
  const both = buildDecision(reported, counts, words, decision, otherwise);
  return { decision: { ...both, root: decision.root }, auditRoot: both.root };
}

/**
 * What the second diagram is built from. It is asked only about what the first one allows, so that where rules are
 * enforced only the Deny rules in Audit mode can still say anything.
 */
function auditMatches(
  matches: readonly AuditedMatch[],
  all: boolean,
  ambiguous: number,
  defaultDeny: number,
): DecisionMatch[] {
  const chosen = all ? matches : matches.filter(({ audit, deny }) => audit && deny);
  if (ambiguous === 0) return [...chosen];
  // Before all rules, as such a request would be.
  return [{ rule: defaultDeny, deny: true, conditions: new Map([[ambiguous, [1]]]) }, ...chosen];
}

function decisionMatches(
  plan: Plan,
  methods: readonly string[],
  methodRegister: Register,
  compiled: readonly CompiledField[],
): AuditedMatch[] {
  const fields = new Map(compiled.map((field) => [field.plan, { field, known: predicateClasses(field) }]));
  const notConnect = allClasses(methodRegister).filter((k) => k !== methods.indexOf('CONNECT') + 2);
  return plan.matches.map(({ rule, deny, audit, methods: named, conditions: given }) => {
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
    return { rule, deny, audit, conditions };
  });
}

function allClasses(register: Register): number[] {
  return Array.from({ length: classCount(register) }, (_, k) => k);
}
