// SPDX-License-Identifier: Apache-2.0
import { unserved } from './filter-fields.ts';

/** Filters of Hubble's client, and what they select here. */
export interface HubbleFilter {
  /** Without the dashes. */
  readonly flags: readonly string[];
  /** For people, Markdown. */
  readonly selects: string;
}

/** A filter about either end, and the two that are about one. */
const ends = (name: string): readonly string[] => [name, `from-${name}`, `to-${name}`];

const refused = (field: string, ...flags: readonly string[]): HubbleFilter => ({
  flags,
  selects: `refused: ${unserved[field] ?? ''}`,
});

export const hubbleFilters: readonly HubbleFilter[] = [
  {
    flags: ends('pod'),
    selects: 'workloads, by namespace and a prefix of the name; without a namespace in `default`',
  },
  { flags: ends('namespace'), selects: 'workloads of the namespace' },
  { flags: ends('all-namespaces'), selects: 'whoever is a workload' },
  {
    flags: ends('label'),
    selects: "labels of workloads, by Kubernetes' selectors; `reserved:world` and the like of all else",
  },
  {
    flags: ends('workload'),
    selects: 'workloads by the whole name, in any namespace; a kind other than `Workload` selects nothing',
  },
  {
    flags: ['service', 'to-service'],
    selects:
      'the Service that the client asked for, by namespace and a prefix of the name; without a namespace in `default`',
  },
  { flags: ['from-service'], selects: 'nothing: nobody connects from the address of a Service' },
  { flags: ends('ip'), selects: 'addresses and CIDRs; of a Service the address of the backend' },
  {
    flags: ends('fqdn'),
    selects:
      'addresses by a name that the workload at the other end got from DNS, with `*` for any characters; [names of addresses](../design/flows.md#names-of-addresses)',
  },
  { flags: ends('port'), selects: 'ports' },
  { flags: ends('identity'), selects: 'numeric identities, of this node; `world` and the like' },
  {
    flags: ['verdict'],
    selects: '`FORWARDED`, `DROPPED`, `AUDIT`, `ERROR`; no flow has another, and they are refused',
  },
  {
    flags: ['drop-reason-desc'],
    selects: 'what was refused for one of the [reasons](reasons.md) that are told as that',
  },
  { flags: ['protocol'], selects: '`tcp`, `udp`, `http`; others are refused' },
  {
    flags: ['tcp-flags'],
    selects:
      'connections that were opened (`syn`), stay open (`ack`), ended (`fin,ack`) or were closed by policy (`rst`)',
  },
  { flags: ['http-method'], selects: 'requests by their method' },
  { flags: ['http-path'], selects: 'requests by a regular expression (RE2) found in the path' },
  { flags: ['http-url'], selects: 'requests by a regular expression found in `http://host/path`' },
  { flags: ['http-status'], selects: 'requests by status, `404`, `40+` or `4+`' },
  {
    flags: ['http-header'],
    selects: 'requests by `Host`, the one header that is recorded; others are refused',
  },
  { flags: ['trace-id'], selects: 'requests of the W3C trace' },
  {
    flags: ['type'],
    selects:
      '`policy-verdict` (opened or refused), `drop` (a refused connection), `trace` (ended, or open still), `l7`; others are refused. Sub-types are numbers of reasons for `drop`, else 0 (`trace:to-endpoint`); one that no flow has selects nothing',
  },
  { flags: ['traffic-direction'], selects: 'the side that decided' },
  { flags: ['ipv4', 'ipv6', 'ip-version'], selects: 'the family; `none`: nothing' },
  { flags: ['node-name'], selects: 'nodes, with `*`; a cluster other than `default` selects nothing' },
  {
    flags: ['reply', 'not-reply'],
    selects: 'nothing, and everything: a flow is told from its client’s side, whatever end recorded it',
  },
  { flags: ['encrypted', 'unencrypted'], selects: 'nothing, and everything' },
  { flags: ['uuid'], selects: 'the flow' },
  { flags: ['not'], selects: 'what the filter behind it does not' },
  refused('source_cluster_name', ...ends('cluster')),
  refused('interface', 'interface'),
  refused('source_ip_xlated', 'snat-ip'),
  refused('ip_trace_id', 'ip-trace-id'),
  refused('node_labels', 'node-label'),
  refused('experimental', 'cel-expression'),
];
