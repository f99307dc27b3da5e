// SPDX-License-Identifier: Apache-2.0
import type { NamedPort, Protocol } from '../workload/workload.ts';
import type { PortClause } from './rule.ts';

/** A run of ports, both ends included. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

export const FIRST_PORT = 0;
export const LAST_PORT = 65535;
const ALL: readonly Span[] = [{ from: FIRST_PORT, to: LAST_PORT }];

/** The ports of the protocol that the clauses speak of. `named` are those of the workload connected to. */
export function portSpans(
  clauses: readonly PortClause[] | undefined,
  protocol: Protocol,
  named: readonly NamedPort[],
): readonly Span[] {
  if (clauses === undefined) return ALL;
  return clauses.flatMap((clause) => {
    if (clause.protocol !== undefined && clause.protocol !== protocol) return [];
    const { port, endPort } = clause;
    if (port === undefined) return ALL;
    if (typeof port === 'number') return [{ from: port, to: endPort ?? port }];
    const found = named.filter((candidate) => candidate.name === port && candidate.protocol === protocol);
    return found.map((candidate) => ({ from: candidate.port, to: candidate.port }));
  });
}

export function inSpans(spans: readonly Span[], port: number): boolean {
  return spans.some(({ from, to }) => from <= port && port <= to);
}

/** `8080/TCP, 9000-9100/TCP, http/TCP, any/UDP` */
export function describePorts(clauses: readonly PortClause[]): string {
  return clauses
    .map(({ port, endPort, protocol }) => {
      const range = endPort === undefined ? String(port ?? 'any') : `${String(port)}-${endPort}`;
      return `${range}/${protocol ?? 'any'}`;
    })
    .join(', ');
}
