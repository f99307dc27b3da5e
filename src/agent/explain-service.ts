// SPDX-License-Identifier: Apache-2.0
import type { PathReason } from '../api/ports.ts';
import type { Names } from '../control/compile/names.ts';
import { formatAddress, parseAddress } from '../core/identity/address.ts';
import { evaluate } from '../core/policy/evaluate.ts';
import type { Decision, Question } from '../core/policy/verdict.ts';
import type { World } from '../core/policy/world.ts';
import { type DesiredService, frontendKey } from '../core/state/desired.ts';
import { isLocal } from '../core/workload/workload.ts';
import type { PersistentMap } from '../lib/persistent-map.ts';

export interface ServiceSources {
  readonly world: World;
  readonly services: PersistentMap<DesiredService>;
  readonly names: Pick<Names, 'serviceOf'>;
}

export interface Resolved {
  /** What is asked in the place of the Service's address. */
  readonly question: Question;
  readonly decision: Decision;
  readonly service?: PathReason;
}

/** Where a question is for a Service's address: the answer for its backends, a refused one first. */
export function explainResolved(sources: ServiceSources, question: Question): Resolved {
  const { world, names } = sources;
  const asked = serviceOf(sources, question);
  if (asked === undefined) return { question, decision: evaluate(world, question) };
  const ref = names.serviceOf(asked.id);
  const name = ref === undefined ? 'a Service' : `${ref.namespace}/${ref.name}:${String(ref.port)}`;
  const answers = asked.picked.map(({ address, port }) => {
    const one: Question = { ...question, destination: { address: formatAddress(address) }, port };
    return { question: one, decision: evaluate(world, one) };
  });
  const refused = answers.filter(({ decision }) => decision.verdict === 'Deny');
  const shown = refused[0] ?? answers[0];
  if (shown === undefined) {
    const why = `nobody serves ${name}: connect() fails with ECONNREFUSED, whatever policy says`;
    return { question, decision: evaluate(world, question), service: { why } };
  }
  const { address = '' } = shown.question.destination;
  const why = `${name} has ${count(answers.length, 'backend')} for this node, policy refuses ${String(refused.length)}; this is ${address} port ${String(shown.question.port)}`;
  return { ...shown, service: { why } };
}

const count = (number: number, what: string): string => `${String(number)} ${what}${number === 1 ? '' : 's'}`;

/** Addresses are resolved for the workloads of this node alone. */
function serviceOf(
  { world, services }: ServiceSources,
  { source, destination, port, protocol }: Question,
): DesiredService | undefined {
  const client = source.workload === undefined ? undefined : world.workloads.get(source.workload);
  const address = parseAddress(destination.address ?? '');
  if (destination.workload !== undefined || address === undefined) return undefined;
  if (client === undefined || !isLocal(client)) return undefined;
  return services.get(frontendKey({ address, port, protocol }));
}
