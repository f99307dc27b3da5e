// SPDX-License-Identifier: Apache-2.0
import { flowKind, flowPath } from '../../core/abi/flow.ts';
import { direction, verdict } from '../../core/abi/policy.ts';
import { reason } from '../../core/abi/reason.ts';
import type { FlowFilter, FlowQuery } from '../../core/flow-filter.ts';
import { PerigeeError } from '../../lib/errors.ts';
import type { FlowNames } from '../flow-names.ts';
import { flowUuid } from '../flow-uuid.ts';
import { Offset } from '../record-layout.ts';
import { endpointPredicates, matchesName } from './endpoint.ts';
import { all, always, any, byteIn, type Predicate, u16In, u64Between, u64In } from './predicate.ts';
import { methodPredicate, pathPredicate } from './text.ts';

const IPPROTO = { TCP: 6, UDP: 17 } as const;
const MAX_TIME = (1n << 64n) - 1n;

function protocolPredicate(protocol: 'TCP' | 'UDP' | 'HTTP'): Predicate {
  if (protocol === 'HTTP') return byteIn(Offset.kind, [flowKind.request]);
  return byteIn(Offset.protocol, [IPPROTO[protocol]]);
}

function referenceNumber(text: string): bigint {
  if (/^[0-9a-f]{16}$/i.test(text)) return BigInt(`0x${text}`);
  throw new PerigeeError('ERR_FILTER_INVALID', `not a reference: ${JSON.stringify(text)}`, {
    hint: 'A reference is 16 hex digits, as the refused client was shown',
  });
}

function rulePredicate(filter: NonNullable<FlowFilter['policies']>, names: FlowNames): Predicate {
  const known = new Map<number, boolean>([[0, false]]);
  const test = (id: number): boolean => {
    let answer = known.get(id);
    if (answer === undefined) {
      const rule = names.rule(id);
      answer =
        rule !== undefined && filter.some((pattern) => matchesName(pattern, rule.namespace, rule.policy));
      known.set(id, answer);
    }
    return answer;
  };
  return ({ u32 }, at) =>
    test(u32[(at + Offset.egressRule) >> 2] ?? 0) || test(u32[(at + Offset.ingressRule) >> 2] ?? 0);
}

function numberPredicates(filter: FlowFilter): readonly Predicate[] {
  const { verdicts, kinds, directions, paths, families, reasons, protocols, references, statuses } = filter;
  const predicates: Predicate[] = [];
  if (verdicts !== undefined)
    predicates.push(
      byteIn(
        Offset.verdict,
        verdicts.map((name) => verdict[name]),
      ),
    );
  if (kinds !== undefined)
    predicates.push(
      byteIn(
        Offset.kind,
        kinds.map((name) => flowKind[name]),
      ),
    );
  if (directions !== undefined)
    predicates.push(
      byteIn(
        Offset.direction,
        directions.map((name) => direction[name]),
      ),
    );
  if (paths !== undefined)
    predicates.push(
      byteIn(
        Offset.path,
        paths.map((name) => flowPath[name]),
      ),
    );
  if (families !== undefined) predicates.push(byteIn(Offset.family, families));
  if (reasons !== undefined)
    predicates.push(
      u16In(
        Offset.reason,
        reasons.map((name) => reason[name]),
      ),
    );
  if (protocols !== undefined) predicates.push(any(protocols.map(protocolPredicate)));
  if (references !== undefined) predicates.push(u64In(Offset.reference, references.map(referenceNumber)));
  if (statuses !== undefined) {
    const test = (status: number): boolean => statuses.some(({ from, to }) => status >= from && status <= to);
    predicates.push(({ u16 }, at) => test(u16[(at + Offset.status) >> 1] ?? 0));
  }
  return predicates;
}

function textPredicates(filter: FlowFilter): readonly Predicate[] {
  const { methods, httpPaths, uuids } = filter;
  const predicates: Predicate[] = [];
  if (methods !== undefined || httpPaths !== undefined)
    predicates.push(byteIn(Offset.kind, [flowKind.request]));
  if (methods !== undefined) predicates.push(methodPredicate(methods));
  if (httpPaths !== undefined) {
    predicates.push(any(httpPaths.map(pathPredicate)));
  }
  if (uuids !== undefined) {
    const wanted = new Set(uuids.map((uuid) => uuid.toLowerCase()));
    predicates.push((memory, at) => wanted.has(flowUuid(memory.bytes, at)));
  }
  return predicates;
}

/** Compiles a filter to a test on raw records: numbers first, then names, then text. */
export function compileFilter(filter: FlowFilter, names: FlowNames): Predicate {
  const { source, destination, policies } = filter;
  return all([
    ...numberPredicates(filter),
    ...(source === undefined ? [] : endpointPredicates('source', source, names)),
    ...(destination === undefined ? [] : endpointPredicates('destination', destination, names)),
    ...(policies === undefined ? [] : [rulePredicate(policies, names)]),
    ...textPredicates(filter),
  ]);
}

/** The filters and times of a query in one test. */
export function compileQuery(query: FlowQuery, names: FlowNames): Predicate {
  const { include, exclude, since, until } = query;
  const predicates: Predicate[] = [];
  if (since !== undefined || until !== undefined) {
    predicates.push(u64Between(Offset.time, since ?? 0n, until ?? MAX_TIME));
  }
  if (include.length > 0) predicates.push(any(include.map((filter) => compileFilter(filter, names))));
  if (exclude.length > 0) {
    const unwanted = any(exclude.map((filter) => compileFilter(filter, names)));
    predicates.push((memory, at) => !unwanted(memory, at));
  }
  return predicates.length === 0 ? always : all(predicates);
}
