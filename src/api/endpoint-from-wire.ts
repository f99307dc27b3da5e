// SPDX-License-Identifier: Apache-2.0
import type { EndpointFilter, NamePattern } from '../core/flow-filter.ts';
import { dnsNamePattern } from '../core/dns-name.ts';
import { parseAddress } from '../core/identity/address.ts';
import { parsePrefix } from '../core/identity/prefix.ts';
import { invalid, namePattern, podPattern, present, read } from './filter-fields.ts';
import { WORKLOAD_KIND } from './flow-to-wire.ts';
import { parseLabelSelector } from './label-selector.ts';
import type { WireFilter } from './wire.ts';

function port(text: string): number {
  const number = Number(text);
  if (/^\d{1,5}$/.test(text) && number <= 65535) return number;
  throw invalid(`not a port: ${JSON.stringify(text)}`, 'Ports are numbers from 0 to 65535');
}

function address(text: string): string {
  if ((parseAddress(text) ?? parsePrefix(text)) !== undefined) return text;
  throw invalid(
    `not an IP address or CIDR: ${JSON.stringify(text)}`,
    'Write it as 10.1.2.3, 10.1.0.0/16 or fd00::/8',
  );
}

/** An empty one would be that of whoever has none, as workloads do. */
function entity(text: string): string {
  if (text !== '') return text;
  throw invalid('an entity is empty', 'Write it as World, Node, …');
}

type WireWorkload = NonNullable<WireFilter['source_workload']>[number];

/** Workloads of a kind that there is none of match nothing. */
function workload({ kind = '', name = '' }: WireWorkload): readonly NamePattern[] {
  const isOurs = kind === '' || kind.toLowerCase() === WORKLOAD_KIND.toLowerCase();
  return isOurs ? [namePattern(name)] : [];
}

/** What a filter asks of one end. */
export function endpointFilter(
  filter: WireFilter,
  side: 'source' | 'destination',
): EndpointFilter | undefined {
  const field = <Name extends string>(name: Name) => `${side}_${name}` as const;
  const result = present<EndpointFilter>({
    names: read(field('workload'), filter[field('workload')], workload)?.flat(),
    pods: read(field('pod'), filter[field('pod')], podPattern),
    dnsNames: read(field('fqdn'), filter[field('fqdn')], dnsNamePattern),
    addresses: read(field('ip'), filter[field('ip')], address),
    ports: read(field('port'), filter[field('port')], port),
    identities: read(field('identity'), filter[field('identity')], (id) => id),
    labels: read(field('label'), filter[field('label')], parseLabelSelector),
    entities: read(`perigee.${field('entity')}`, filter.perigee?.[field('entity')], entity),
  });
  return Object.keys(result).length === 0 ? undefined : result;
}
