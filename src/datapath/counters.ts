// SPDX-License-Identifier: Apache-2.0
import { dnsOutcome } from '../core/abi/dns.ts';
import { type RingName, ring } from '../core/abi/flow.ts';
import { direction, directionNames, verdict, verdictCountKey, verdictNames } from '../core/abi/policy.ts';
import { type ReasonName, reason } from '../core/abi/reason.ts';
import type { Maps } from './maps.ts';
import { sumCpus } from './typed-map.ts';

/** Connection verdicts of the kernel since the maps were made. */
export interface VerdictCount {
  /** Numeric name, 0: no rule. */
  readonly rule: number;
  readonly direction: 'egress' | 'ingress';
  readonly verdict: 'allowed' | 'denied' | 'audited' | 'error';
  readonly count: number;
}

function counter(map: Pick<Maps['drops'], 'lookup'>, index: number): number {
  const key = Buffer.alloc(4);
  key.writeUInt32LE(index);
  const value = map.lookup(key);
  return value === undefined ? 0 : Number(sumCpus(value));
}

/** Refusals and closures by reason; those of the proxy are its own. */
export function readDrops(maps: Pick<Maps, 'drops'>): ReadonlyMap<ReasonName, number> {
  const names = Object.entries(reason) as [ReasonName, number][];
  return new Map(names.map(([name, number]) => [name, counter(maps.drops, number)]));
}

/** Visible connections that are read no more, by reason; those that there were. */
export function readOpaque(maps: Pick<Maps, 'opaque_counts'>): ReadonlyMap<ReasonName, number> {
  const names = Object.entries(reason) as [ReasonName, number][];
  const counts = names.map(([name, number]) => [name, counter(maps.opaque_counts, number)] as const);
  return new Map(counts.filter(([, count]) => count > 0));
}

/** Records that found their ring full. Those of `refusals` ask the agent for an answer; their flows are counted apart. */
export function readFlowsLost(maps: Pick<Maps, 'flows_lost'>): Readonly<Record<RingName, number>> {
  const lost = (name: RingName): number => counter(maps.flows_lost, ring[name]);
  return { flows: lost('flows'), denials: lost('denials'), refusals: lost('refusals') };
}

/** Answers of DNS that were not copied, by why. */
export function readDnsMissed(maps: Pick<Maps, 'dns_counts'>): Readonly<Record<'limited' | 'lost', number>> {
  const { limited, lost } = dnsOutcome;
  return { limited: counter(maps.dns_counts, limited), lost: counter(maps.dns_counts, lost) };
}

export function readVerdicts(maps: Maps): VerdictCount[] {
  const { keys, values, count } = maps.verdicts.dump();
  const width = maps.verdicts.entrySize;
  return Array.from({ length: count }, (_, index) => {
    const key = verdictCountKey.decode(keys, index * verdictCountKey.size);
    return {
      rule: key.rule,
      direction: directionNames[key.direction] ?? 'egress',
      verdict: verdictNames[key.verdict] ?? 'error',
      count: Number(sumCpus(values.subarray(index * width, (index + 1) * width))),
    };
  });
}

/** Takes counters out of the map; one that is counted on begins anew. */
export function removeVerdicts(maps: Maps, counts: readonly VerdictCount[]): void {
  if (counts.length === 0) return;
  const keys = counts.map((count) =>
    verdictCountKey.encode({
      rule: count.rule,
      direction: direction[count.direction],
      verdict: verdict[count.verdict],
    }),
  );
  maps.verdicts.deleteBatch(Buffer.concat(keys));
}
