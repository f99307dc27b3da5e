// SPDX-License-Identifier: Apache-2.0
import { type Regex, parseRegex } from '../regex/regex.ts';
import { decodePath, hostPattern, prefixBytes } from './literal-values.ts';
import type { HttpMatch, NamedMatch, RuleSet } from './rules.ts';

/** One comparison of one field: any of some literals, or an expression. */
export interface Predicate {
  readonly literals: { readonly bytes: Uint8Array; readonly prefix: boolean }[];
  readonly regex: Regex | undefined;
  /** Used by a Deny rule: then any of a repeated field's values counts. */
  readonly deny: boolean;
}

export const PRESENT = -1;
export const ABSENT = -2;

export type FieldKind = 'path' | 'query' | 'host' | 'header';

/** A part of the head that rules read, with all that they compare it with. */
export class FieldPlan {
  readonly kind: FieldKind;
  /** Header names in lower case; parameter names as decoded. Empty for path and host. */
  readonly name: string;
  readonly predicates: Predicate[] = [];
  /** Some rule that is enforced reads it; else nothing may be refused for what it holds. */
  enforced = false;
  readonly #numbers = new Map<string, number>();

  constructor(kind: FieldKind, name: string) {
    this.kind = kind;
    this.name = name;
  }

  /** Number of the predicate with this identity, made if it is new. */
  predicate(identity: string, deny: boolean, make: () => Omit<Predicate, 'deny'>): number {
    const key = `${deny ? 'Deny' : 'Allow'} ${identity}`;
    let known = this.#numbers.get(key);
    if (known === undefined) {
      known = this.predicates.push({ ...make(), deny }) - 1;
      this.#numbers.set(key, known);
    }
    return known;
  }
}

export interface Condition {
  readonly field: FieldPlan;
  /** A predicate's number, PRESENT or ABSENT. */
  readonly predicate: number;
}

export interface MatchPlan {
  readonly rule: number;
  readonly deny: boolean;
  /** Decides only what would be refused. */
  readonly audit: boolean;
  /** Undefined: any (for Allow: but CONNECT). */
  readonly methods: readonly string[] | undefined;
  readonly conditions: readonly Condition[];
}

export interface Plan {
  readonly path: FieldPlan;
  readonly query: readonly FieldPlan[];
  readonly host: FieldPlan;
  /** `upgrade` is always the first. */
  readonly headers: readonly FieldPlan[];
  readonly methods: readonly string[];
  readonly matches: readonly MatchPlan[];
  readonly readsPath: boolean;
}

/**
 * What a rule set reads, and each of its matches as conditions on that. The rules must have been checked. Without
 * `enforces` all of them are there to report.
 */
export function planRules(rules: RuleSet, enforces = true): Plan {
  const path = new FieldPlan('path', '');
  const host = new FieldPlan('host', '');
  const query = new Map<string, FieldPlan>();
  const upgrade = new FieldPlan('header', 'upgrade');
  const headers = new Map<string, FieldPlan>([['upgrade', upgrade]]);
  const methods = new Set<string>();
  const matches: MatchPlan[] = [];
  let readsPath = false;
  const merged = new Set<string>();
  /** False for a literal path that joins an earlier match of its rule. */
  const addPath = (match: HttpMatch, deny: boolean, index: number, conditions: Condition[]): boolean => {
    if (match.path === undefined) return true;
    readsPath = true;
    const rest = `${index} ${JSON.stringify({ ...match, path: undefined })}`;
    conditions.push({ field: path, predicate: pathPredicate(path, match.path, deny, rest) });
    if (match.path.type === 'RegularExpression') return true;
    const first = !merged.has(rest);
    merged.add(rest);
    return first;
  };
  for (const [index, { rule, action, matches: given, audit: reports = false }] of rules.entries()) {
    const deny = action === 'Deny';
    const audit = reports || !enforces;
    for (const match of given.length === 0 ? [{}] : given) {
      const conditions: Condition[] = [];
      for (const method of match.methods ?? []) methods.add(method);
      if (!addPath(match, deny, index, conditions)) continue;
      if (match.host !== undefined)
        conditions.push({ field: host, predicate: hostPredicate(host, match.host, deny) });
      for (const named of match.queryParams ?? [])
        conditions.push(namedCondition(query, 'query', named, deny));
      for (const named of match.headers ?? [])
        conditions.push(namedCondition(headers, 'header', named, deny));
      if (!deny && !namesUpgrade(match)) conditions.push({ field: upgrade, predicate: ABSENT });
      matches.push({ rule, deny, audit, methods: match.methods, conditions });
      if (!audit) for (const { field } of conditions) field.enforced = true;
    }
  }
  return {
    path,
    query: [...query.values()],
    host,
    headers: [...headers.values()],
    methods: [...methods],
    matches,
    readsPath,
  };
}

function namesUpgrade(match: HttpMatch): boolean {
  return (match.headers ?? []).some(({ name }) => name.toLowerCase() === 'upgrade');
}

/** Literal paths of one rule that differ in nothing else are one predicate. */
function pathPredicate(
  field: FieldPlan,
  path: NonNullable<HttpMatch['path']>,
  deny: boolean,
  rest: string,
): number {
  const { type, value } = path;
  if (type === 'RegularExpression') return field.predicate(value, deny, () => expression(value));
  const number = field.predicate(`literals ${rest}`, deny, () => ({ literals: [], regex: undefined }));
  const bytes = decodePath(value);
  const prefix = type === 'PathPrefix';
  field.predicates[number]?.literals.push({ bytes: prefix ? prefixBytes(bytes) : bytes, prefix });
  return number;
}

function hostPredicate(field: FieldPlan, hosts: readonly string[], deny: boolean): number {
  const pattern = hosts.map(hostPattern).join('|');
  return field.predicate(pattern, deny, () => {
    if (hosts.some((host) => host.startsWith('*'))) return expression(pattern);
    const literals = hosts.map((host) => ({
      bytes: Buffer.from(host.toLowerCase(), 'latin1'),
      prefix: false,
    }));
    return { literals, regex: undefined };
  });
}

function namedCondition(
  fields: Map<string, FieldPlan>,
  kind: 'query' | 'header',
  named: NamedMatch,
  deny: boolean,
): Condition {
  const name = kind === 'header' ? named.name.toLowerCase() : named.name;
  const field = fields.get(name) ?? new FieldPlan(kind, name);
  fields.set(name, field);
  const value = named.value ?? '';
  if (named.type === 'Present') return { field, predicate: PRESENT };
  const predicate = field.predicate(`${named.type} ${value}`, deny, () => {
    if (named.type === 'RegularExpression') return expression(value);
    return { literals: [{ bytes: Buffer.from(value, 'utf8'), prefix: false }], regex: undefined };
  });
  return { field, predicate };
}

function expression(pattern: string): { literals: []; regex: Regex } {
  const parsed = parseRegex(pattern);
  if ('problem' in parsed) throw new RangeError(`unchecked expression: ${parsed.problem.message}`);
  return { literals: [], regex: parsed.regex };
}
