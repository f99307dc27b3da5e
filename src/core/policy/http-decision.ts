// SPDX-License-Identifier: Apache-2.0
import { evaluateHttp, type HttpRequest as Head } from '../automaton/evaluate.ts';
import { describeReject } from '../http/reasons.ts';
import type { HttpMatch, NamedMatch } from './http-match.ts';
import type { HttpRequest, HttpRule, RuleSet } from './verdict.ts';

export interface RequestDecision {
  readonly verdict: 'Allow' | 'Deny';
  /** All that decided alike, in their order; empty if nothing matches. */
  readonly rules: RuleSet;
  /** Why no rule was asked: the target can be read in more than one way. */
  readonly ambiguous?: string;
}

/** Decides a request by the rules of one side: Deny wins, something must allow. */
export function decideRequest(rules: RuleSet, request: HttpRequest): RequestDecision {
  const numbered = rules.map(({ action, matches }, index) => ({ rule: index + 1, action, matches }));
  const { allowed, reject, held } = evaluateHttp(numbered, headOf(request));
  if (reject !== 0) return { verdict: 'Deny', rules: [], ambiguous: describeReject(reject).text };
  const matching = rules.filter((_, index) => held.some(({ rule }) => rule === index + 1));
  const action = allowed ? 'Allow' : 'Deny';
  return { verdict: action, rules: matching.filter((rule) => rule.action === action) };
}

/** Undefined if the rule matches the request, else what about each of its alternatives doesn't, in words. */
export function requestMismatch(rule: Omit<HttpRule, 'rule'>, request: HttpRequest): string | undefined {
  const head = headOf(request);
  const matches = rule.matches.length === 0 ? [{}] : rule.matches;
  const reasons = new Set<string>();
  for (const match of matches) {
    const { held, reject } = evaluateHttp([{ rule: 1, action: rule.action, matches: [match] }], head);
    if (held.length > 0) return undefined;
    reasons.add(reject === 0 ? explain(match, rule.action, request) : describeReject(reject).text);
  }
  return [...reasons].join('; ');
}

/** The first field of the match that doesn't hold by itself. */
function explain(match: HttpMatch, action: HttpRule['action'], request: HttpRequest): string {
  const { method, path, host } = request;
  // What must be named is named, so that the field alone decides.
  const head = headOf({
    ...request,
    headers: request.headers.filter(([name]) => name.toLowerCase() !== 'upgrade'),
  });
  const holds = (part: HttpMatch, whole = head) =>
    evaluateHttp([{ rule: 1, action, matches: [{ methods: [method], ...part }] }], whole).held.length > 0;
  if (match.methods?.includes(method) === false)
    return `method is ${method}, not ${match.methods.join(' or ')}`;
  if (match.path !== undefined && !holds({ path: match.path })) {
    return `path ${path} is not ${match.path.type} ${match.path.value}`;
  }
  if (match.host !== undefined && !holds({ host: match.host }))
    return `host ${host} is not ${match.host.join(' or ')}`;
  for (const header of match.headers ?? []) {
    if (!holds({ headers: [header] }, headOf(request))) return named('header', header, action);
  }
  for (const param of match.queryParams ?? []) {
    if (!holds({ queryParams: [param] })) return named('query parameter', param, action);
  }
  if (method === 'CONNECT') return 'CONNECT must be named in `methods`';
  return 'an upgrade must be named by a match on the header `upgrade`';
}

function named(what: string, { name, type, value = '' }: NamedMatch, action: HttpRule['action']): string {
  if (type === 'Present') return `${what} ${name} is not there`;
  const once = action === 'Allow' ? ', exactly once,' : '';
  return `${what} ${name} is not there${once} with ${type === 'Exact' ? 'the value' : 'a value like'} ${value}`;
}

/** The head that such a request has on the wire, one character per byte. */
export function headOf({ method, path, host, headers, query }: HttpRequest): Head {
  const params = query
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    .join('&');
  const target = method === 'CONNECT' ? host : `${path}${params === '' ? '' : `?${params}`}`;
  const others = headers.filter(([name]) => name.toLowerCase() !== 'host');
  return {
    method,
    target: bytesOf(target),
    headers: [
      ['host', bytesOf(host)],
      ...others.map(([name, value]) => [name, bytesOf(value.trim())] as const),
    ],
  };
}

function bytesOf(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}
