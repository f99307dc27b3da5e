// SPDX-License-Identifier: Apache-2.0
import { flowKind } from '../../src/core/abi/flow.ts';
import { direction, verdict } from '../../src/core/abi/policy.ts';
import { reason } from '../../src/core/abi/reason.ts';
import { detailOf, mapped, type RecordFields, traceOf } from './flow-records.ts';

const ipv6 = (last: number): Uint8Array => Uint8Array.from([0xfd, ...Array<number>(14).fill(0), last]);
const traced = traceOf(7).toString('hex');

/** One flow each, told apart by its source port. */
export const filteredFlows: readonly RecordFields[] = [
  { sourcePort: 1 },
  {
    sourcePort: 2,
    method: 'GET',
    urlPath: '/orders/7',
    host: 'api.shop',
    service: 9,
    detail: detailOf(7),
  },
  {
    sourcePort: 3,
    method: 'DELETE',
    urlPath: '/admin',
    host: 'api.shop',
    status: 403,
    verdict: verdict.denied,
    reason: reason['http-denied'],
    reference: 5n,
  },
  { sourcePort: 4, verdict: verdict.denied, reason: reason['policy-no-rule'], sourceWorkload: 3 },
  { sourcePort: 5, sourceWorkload: 0, sourceIdentity: 2, sourceAddress: mapped('203.0.113.9') },
  { sourcePort: 6, kind: flowKind.close },
  { sourcePort: 7, protocol: 17, destinationPort: 53, verdict: verdict.audited, service: 11 },
  {
    sourcePort: 8,
    family: 6,
    sourceAddress: ipv6(1),
    destinationAddress: ipv6(2),
    direction: direction.egress,
  },
  { sourcePort: 9, kind: flowKind.open, service: 10 },
  { sourcePort: 10, verdict: verdict.error, reason: reason['upstream-unreachable'] },
  {
    sourcePort: 11,
    destinationWorkload: 0,
    destinationIdentity: 2,
    destinationAddress: mapped('198.51.100.7'),
  },
];
const all = filteredFlows.map(({ sourcePort }) => sourcePort ?? 0);
const without = (...ports: readonly number[]): number[] => all.filter((port) => !ports.includes(port));

/** A text: that is how it is refused. */
type Answer = readonly number[] | RegExp;

/** Arguments of `hubble observe`, and the source ports of the flows that it shows. */
export const filterCases: readonly (readonly [args: readonly string[], answer: Answer])[] = [
  [['--all-namespaces'], all],
  [['-A'], all],
  [['--from-all-namespaces'], without(5)],
  [['--to-all-namespaces'], without(11)],
  [['--namespace', 'dark'], [4]],
  [['-n', 'shop'], all],
  [['--from-namespace', 'dark'], [4]],
  [
    ['--to-namespace', 'shop', '--last', '2'],
    [9, 10],
  ],
  [['--to-namespace', 'dark'], []],
  [['--pod', 'dark/intr'], [4]],
  [['--pod', 'web'], []], // in the namespace `default`
  [['-n', 'shop', '--pod', 'we'], without(4, 5)],
  [['--from-pod', 'shop/we'], without(4, 5)],
  [['--to-pod', 'shop/web'], []],
  [['--label', 'app=web'], without(4, 5)],
  [['-l', 'tier=back'], without(11)],
  [['--from-label', 'reserved:world'], [5]],
  [['--from-label', 'app in (api,web),!zone'], without(4, 5)],
  [['--to-label', 'app=web'], []],
  [['--workload', 'intruder'], [4]],
  [['--from-workload', 'intruder', '--to-workload', 'api'], [4]],
  [['--from-workload', 'Deployment/intruder'], []], // ours are of one kind
  [['--to-workload', 'web'], []],
  [['--service', 'shop/api'], [2]],
  [['--service', 'dns'], [7]], // in the namespace `default`
  [['--to-service', 'shop/ca'], [9]],
  [
    ['--to-service', 'shop/'],
    [2, 9],
  ],
  [['--from-service', 'shop/api'], []],
  [['--not', '--to-service', 'shop/api'], without(2)],
  [['--ip', '203.0.113.9'], [5]],
  [['--ip', '203.0.113.0/24'], [5]],
  [['--ip', 'fd00::/64'], [8]],
  [['--from-ip', '10.0.0.1'], without(5, 8)],
  [['--to-ip', '10.0.0.1'], []],
  [['--port', '53'], [7]],
  [['--port', '3'], [3]],
  [['--from-port', '3'], [3]],
  [['--to-port', '53'], [7]],
  [
    ['--identity', 'world'],
    [5, 11],
  ],
  [['--from-identity', '2'], [5]],
  [['--to-identity', '102'], without(11)],
  [
    ['--verdict', 'FORWARDED'],
    [1, 2, 5, 6, 8, 9, 11],
  ],
  [
    ['--verdict', 'DROPPED'],
    [3, 4],
  ],
  [['--verdict', 'AUDIT'], [7]],
  [['--verdict', 'ERROR'], [10]],
  [['--verdict', 'REDIRECTED'], /no flow has the verdict REDIRECTED/],
  [['--verdict', 'TRACED'], /no flow has the verdict TRACED/],
  [['--verdict', 'DROPPED', '--not', '--http-method', 'DELETE'], [4]],
  [['--drop-reason-desc', 'POLICY_DENY'], [3]],
  [['--drop-reason-desc', 'POLICY_DENIED'], [4]],
  [['--drop-reason-desc', 'CT_NO_MAP_FOUND'], []],
  [['--protocol', 'udp'], [7]],
  [['--protocol', 'tcp'], without(7)],
  [
    ['--protocol', 'http'],
    [2, 3],
  ],
  [['--protocol', 'icmp'], /unknown protocol: "icmp"/],
  [['--protocol', 'constructor'], /unknown protocol: "constructor"/],
  [
    ['--tcp-flags', 'syn'],
    [1, 4, 5, 8, 10, 11],
  ],
  [
    ['--tcp-flags', 'ack'],
    [6, 9],
  ],
  [['--tcp-flags', 'fin,ack'], [6]],
  [['--tcp-flags', 'urg'], []],
  [['--http-method', 'delete'], [3]],
  [['--http-path', '^/ord'], [2]],
  [['--http-path', 'mi'], [3]],
  [
    ['--http-path', '^(?:/ord)|(?:min)$'],
    [2, 3],
  ],
  [['--http-url', 'shop/admin$'], [3]],
  [['--http-status', '4+'], [3]],
  [['--http-status', '200'], [2]],
  [
    ['--http-header', 'Host:api.shop'],
    [2, 3],
  ],
  [['--http-header', 'x-tenant:a'], /the header "x-tenant" is not recorded/],
  [['--trace-id', traced], [2]],
  [['--node-name', 'node-*'], all],
  [['--node-name', 'default/node-1'], all],
  [['--node-name', 'other'], []],
  [
    ['--type', 'l7'],
    [2, 3],
  ],
  [['--type', 'drop'], [4]],
  [
    ['--type', 'trace'],
    [6, 9],
  ],
  [
    ['--type', 'trace:to-endpoint'],
    [6, 9],
  ],
  [['--type', 'trace:from-proxy'], []], // ours are all of one sub-type
  [['--type', 'drop:133'], [4]],
  [['--type', 'drop:181'], []], // of a request
  [
    ['--type', 'policy-verdict'],
    [1, 4, 5, 7, 8, 10, 11],
  ],
  [['--type', 'capture'], /event type 3 are not recorded/],
  [['--type', 'trace-sock'], /event type 7 are not recorded/],
  [['--traffic-direction', 'egress'], [8]],
  [['--traffic-direction', 'ingress'], without(8)],
  [['--ipv4'], without(8)],
  [['-6'], [8]],
  [['--ipv6'], [8]],
  [['--ip-version', 'v6'], [8]],
  [['--ip-version', 'none'], []],
  [['--ip-version', 'none', '--ip-version', 'v6'], [8]],
  [['--reply'], []],
  [['--not-reply'], all],
  [['--encrypted'], []],
  [['--unencrypted'], all],
  [['--not', '--verdict', 'DROPPED'], without(3, 4)],
  [['--uuid', 'e8b2b8b0-0000-0000-0000-000000000000'], []],
  [['--allowlist', '{"source_pod":["dark/"]}'], [4]],
  [
    ['--denylist', '{"source_pod":["shop/"]}'],
    [4, 5],
  ],
  [['--fqdn', '*.EXAMPLE.com'], [11]],
  [['--from-fqdn', '*.example.com'], []],
  [['--to-fqdn', 'api.example.com.'], [11]],
  [['--to-fqdn', 'example.com'], []],
  [['--to-fqdn', 'a b'], /pattern/],
  [['--cluster', 'east'], /one cluster/],
  [['--from-cluster', 'east'], /source_cluster_name: .*one cluster/],
  [['--to-cluster', 'east'], /destination_cluster_name: .*one cluster/],
  [['--interface', 'eth0'], /interface: .*sockets/],
  [['--snat-ip', '10.0.0.1'], /source_ip_xlated: .*translated/],
  [['--ip-trace-id', '4'], /ip_trace_id: .*packets/],
  [['--node-label', 'zone=a'], /node_labels: .*--node-name/],
  [['--cel-expression', 'true'], /experimental: .*--allowlist/],
];
