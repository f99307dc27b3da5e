// SPDX-License-Identifier: Apache-2.0
import { PerigeeError } from '../../lib/errors.ts';
import { type Built, type TableInput, type TableLimits, buildTable } from './build-table.ts';
import { checkRules } from './check-rules.ts';
import { Undecidable } from './component.ts';
import { MAX_STATES } from './format.ts';
import { type Plan, planRules } from './plan.ts';
import type { RuleSet } from './rules.ts';

export type { TableLimits } from './build-table.ts';

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
  /** The list holds rules in Audit mode, or nothing of it is enforced. */
  readonly audit?: AuditOptions;
  /** Requests come over HTTP/2, too: then the kernel can't read them all. */
  readonly http2?: boolean;
  /** Every request passes, and nothing is reported either: for those who only look. */
  readonly allowsAll?: true;
}

export interface AuditOptions {
  /** False: every request passes, whatever the rules are; what they would refuse is reported. */
  readonly enforces: boolean;
  /** The rule that a request is reported under which no rule allows; as `L7Rule.rule`. */
  readonly defaultDeny: number;
}

/** A compiled rule set. */
export interface Automaton extends Built {
  /** Header names (lower case) that enforced rules read: neither nominated by Connection nor trailers. */
  readonly readHeaders: readonly string[];
  /**
   * Set when the rules fit no table: then the bytes carry the grammar only and every verdict of theirs is a
   * refusal; `evaluateHttp` knows the answer.
   */
  readonly undecidable: string | undefined;
  /** Set when the rules in Audit mode fit no table beside the others: `evaluateHttp` knows what they would refuse. */
  readonly auditUndecidable: string | undefined;
  /** Set when the proxy can run the table but the kernel can't: why. */
  readonly notInline: string | undefined;
  readonly compileMs: number;
}

/** Compiles rules to one table. Throws ERR_L7_RULES for rules that `checkRules` finds fault with. */
export function compile(rules: RuleSet, options: CompileOptions = {}): Automaton {
  const [problem] = checkRules(rules);
  if (problem !== undefined)
    throw new PerigeeError('ERR_L7_RULES', `${problem.path}: ${problem.message}`, { object: problem.path });
  const begun = performance.now();
  const { audit, allowsAll = false, http2 = false } = options;
  const enforces = !allowsAll && audit?.enforces !== false;
  const enforce = enforces ? 'rules' : 'nothing';
  const shared = {
    record: (options.record ?? []).map((name) => name.toLowerCase()),
    limits: options.limits ?? PROXY_LIMITS,
  };
  const finish = (plan: Plan, input: Omit<TableInput, 'plan' | 'record'>, why: Undecided = {}): Automaton => {
    const built = buildTable({ ...shared, ...input, plan });
    return {
      ...built,
      readHeaders: readHeaders(plan),
      undecidable: why.rules,
      auditUndecidable: why.audit,
      notInline:
        why.rules ?? why.audit ?? notForInline(rules, enforces, http2) ?? overLimits(built, INLINE_LIMITS),
      compileMs: performance.now() - begun,
    };
  };
  const { limits } = shared;
  const whole = planRules(rules, enforces);
  const inTable = attempt(() => {
    if (audit !== undefined) checkHosts(whole);
    return finish(whole, { limits, enforce, audit });
  });
  if (typeof inTable !== 'string') return inTable;
  // What Audit needs never costs what is enforced its table.
  const enforced = planRules(
    rules.filter((rule) => enforces && rule.audit !== true),
    true,
  );
  const later = audit === undefined ? undefined : 'later';
  const why = audit === undefined ? {} : { audit: inTable };
  const without = attempt(() => {
    if (audit === undefined) throw new Undecidable(inTable);
    return finish(enforced, { limits, enforce, audit: later }, why);
  });
  if (typeof without !== 'string') return without;
  const grammar = { limits: PROXY_LIMITS, enforce: 'later', audit: later } as const;
  return finish(enforced, grammar, { ...why, rules: without });
}

/** Rules whose meaning the kernel's reader has no place for, whatever their size. */
function notForInline(rules: RuleSet, enforces: boolean, http2: boolean): string | undefined {
  if (!enforces) return undefined;
  if (http2) return 'a rule takes HTTP/2 (grpc or http2), which the proxy alone reads';
  const leaves = rules.some(
    ({ action, matches }) =>
      action === 'Allow' &&
      matches.some(
        ({ methods, headers }) =>
          methods?.includes('CONNECT') === true ||
          headers?.some(({ name }) => name.toLowerCase() === 'upgrade') === true,
      ),
  );
  return leaves ? 'a rule lets connections leave HTTP (CONNECT or Upgrade)' : undefined;
}

interface Undecided {
  readonly rules?: string;
  readonly audit?: string;
}

/** What `build` yields, or why that is too much for a table. */
function attempt(build: () => Automaton): Automaton | string {
  try {
    return build();
  } catch (error) {
    if (!(error instanceof Undecidable)) throw error;
    return error.message;
  }
}

function readHeaders({ headers }: Plan): string[] {
  return headers.filter(({ name, enforced }) => enforced || name === 'upgrade').map(({ name }) => name);
}

/** CONNECT whose Host meets other conditions than its target is rejected: conditions of Audit must not do that. */
function checkHosts({ host, matches }: Plan): void {
  const read = (ofAudit: boolean): number[] =>
    matches
      .filter(({ audit }) => audit === ofAudit)
      .flatMap(({ conditions }) => conditions)
      .filter(({ field }) => field === host)
      .map(({ predicate }) => predicate);
  const enforced = new Set(read(false));
  const connects = matches.some(({ audit, methods }) => !audit && methods?.includes('CONNECT') === true);
  if (connects && read(true).some((predicate) => !enforced.has(predicate)))
    throw new Undecidable('hosts are read in Audit mode where CONNECT can be allowed');
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
