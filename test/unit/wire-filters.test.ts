// SPDX-License-Identifier: Apache-2.0
// Filters as they come to the agent.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { filterFromWire, filtersFromWire } from '../../src/api/filter-from-wire.ts';
import { filterToWire } from '../../src/api/filter-to-wire.ts';
import { parseLabelSelector } from '../../src/api/label-selector.ts';
import type { WireFilter } from '../../src/api/wire.ts';

test('a filter that has no words on the way to the server is refused', () => {
  assert.throws(() => filterToWire({ sampledShare: 1 }), { code: 'ERR_FILTER_INVALID' });
  const halves = { httpPaths: [{ type: 'RegularExpression', value: '/a)|(?:/b' } as const] };
  assert.throws(() => filterToWire(halves), { code: 'ERR_FILTER_INVALID' });
  const everyone = { source: { names: [{}] } };
  assert.throws(() => filterFromWire(filterToWire(everyone), 'node-1'), { code: 'ERR_FILTER_INVALID' });
});

suite("Hubble's filters", () => {
  const hubble: readonly (readonly [WireFilter, object])[] = [
    [
      { source_pod: ['kube-system/core'] },
      { source: { pods: [{ namespace: 'kube-system', name: 'core', prefix: true }] } },
    ],
    [{ source_pod: ['shop/'] }, { source: { pods: [{ namespace: 'shop' }] } }],
    [{ source_pod: ['web'] }, { source: { pods: [{ namespace: 'default', name: 'web', prefix: true }] } }],
    [
      {
        destination_workload: [{ name: 'api', kind: 'Workload' }, { name: 'db' }, { name: 'x', kind: 'Pod' }],
      },
      { destination: { names: [{ name: 'api' }, { name: 'db' }] } },
    ],
    [
      { source_label: ['reserved:world', 'app=web'] },
      {
        source: {
          labels: [
            [{ key: 'reserved:world', operator: 'Exists', values: [] }],
            [{ key: 'app', operator: 'In', values: ['web'] }],
          ],
        },
      },
    ],
    [
      { source_pod: ['shop/'], source_workload: [{ name: 'web' }] },
      { source: { pods: [{ namespace: 'shop' }], names: [{ name: 'web' }] } },
    ],
    [
      { tcp_flags: [{ SYN: true }, { FIN: true, ACK: true, RST: false }] },
      { tcpFlags: [['SYN'], ['FIN', 'ACK']] },
    ],
    [{ http_header: [{ key: 'host', value: 'api' }] }, { hosts: ['api'] }],
    [{ http_url: ['api/a'] }, { urls: ['api/a'] }],
    [{ node_name: ['no*', 'x'] }, {}],
    [{ node_name: ['default/node-1'] }, {}],
    [{ node_name: ['node-2'] }, { kinds: [] }],
    [{ node_name: ['other/node-1'] }, { kinds: [] }],
    [{ ip_version: ['IP_NOT_USED'] }, { families: [] }],
    [{ ip_version: ['IP_NOT_USED', 'IPv6'] }, { families: [6] }],
    [{ source_workload: [{ kind: 'Pod' }] }, { source: { names: [] } }],
    [{ event_type: [{ type: 1 }] }, { kinds: ['verdict', 'close'], verdicts: ['denied'] }],
    [
      { event_type: [{ type: 1 }], verdict: ['FORWARDED'] },
      { kinds: ['verdict', 'close'], verdicts: [] },
    ],
    [
      { event_type: [{ type: 1, match_sub_type: true, sub_type: 181 }], verdict: ['DROPPED', 'AUDIT'] },
      { kinds: ['verdict', 'close'], verdicts: ['denied'], reasons: ['policy-denied', 'http-denied'] },
    ],
    [
      {
        event_type: [{ type: 1, match_sub_type: true, sub_type: 181 }],
        perigee: { reason: ['http-denied', 'idle-timeout'] },
      },
      { kinds: ['verdict', 'close'], verdicts: ['denied'], reasons: ['http-denied'] },
    ],
    [
      { event_type: [{ type: 1, match_sub_type: true, sub_type: 4 }] },
      { kinds: ['verdict', 'close'], verdicts: ['denied'], reasons: [] },
    ],
    [{ event_type: [{ type: 4, match_sub_type: true, sub_type: 3 }] }, { kinds: [] }],
    [{ http_status_code: ['4+'] }, { statuses: [{ from: 400, to: 499 }] }],
    [{ http_path: ['/a.*'] }, { httpPaths: [{ type: 'RegularExpression', value: '.*(?:/a.*).*' }] }],
    [{ verdict: ['DROPPED', 'AUDIT'] }, { verdicts: ['denied', 'audited'] }],
    [{ reply: [false] }, {}],
    [{ encrypted: [false] }, {}],
    [{ encrypted: [true] }, { kinds: [] }],
    [{ source_service: ['api'] }, { kinds: [] }],
    [{ destination_service: ['api'] }, { services: [{ namespace: 'default', name: 'api', prefix: true }] }],
    [{ destination_service: ['shop/'] }, { services: [{ namespace: 'shop' }] }],
    [{ destination_pod: ['/'] }, { destination: { pods: [{ name: '', prefix: true }] } }],
    [{ reply: [true] }, { kinds: [] }],
    [{ event_type: [{ type: 129 }] }, { kinds: ['request'] }],
    [
      { drop_reason_desc: ['POLICY_DENY'] },
      { reasons: ['policy-denied', 'http-denied'], verdicts: ['denied'] },
    ],
    [
      { drop_reason_desc: ['POLICY_DENY', 'POLICY_DENIED'], perigee: { reason: ['http-denied'] } },
      { reasons: ['http-denied'], verdicts: ['denied'] },
    ],
    [
      { drop_reason_desc: ['POLICY_DENY'], perigee: { reason: ['http-no-rule'] } },
      { reasons: [], verdicts: ['denied'] },
    ],
    [
      { http_path: ['^(?:/a)|(?:/b)$'] },
      { httpPaths: [{ type: 'RegularExpression', value: '.*(?:^(?:/a)|(?:/b)$).*' }] },
    ],
  ];
  for (const [wire, expected] of hubble) {
    test(JSON.stringify(wire), () => {
      assert.deepEqual(filterFromWire(wire, 'node-1'), [expected]);
    });
  }

  test('that Perigee does not serve are refused, not ignored', () => {
    for (const field of ['dns_query', 'ip_trace_id', 'node_labels', 'experimental', 'interface']) {
      assert.throws(() => filterFromWire({ [field]: ['x'] }, 'node-1'), {
        code: 'ERR_FILTER_INVALID',
        message: new RegExp(`^flows can't be filtered by ${field}: .`),
      });
    }
  });

  test('that are malformed are refused by the place of the fault', () => {
    const faults: readonly (readonly [WireFilter, RegExp])[] = [
      [{ verdict: ['TRACED'] }, /^whitelist\[1\]: verdict: no flow has the verdict TRACED$/],
      [{ source_fqdn: ['a(b'] }, /source_fqdn: not a pattern of DNS names: "a\(b"/],
      [{ source_ip: ['10.0.0.300'] }, /source_ip: not an IP address or CIDR: "10.0.0.300"/],
      [{ destination_ip: ['10.0.0.0/33'] }, /destination_ip: /],
      [{ source_port: ['http'] }, /source_port: not a port/],
      [{ trace_id: ['0af7'] }, /trace_id: not a trace id: "0af7"/],
      [{ destination_port: ['65536'] }, /destination_port: not a port/],
      [{ source_label: ['a=b=c'] }, /source_label: not a label selector/],
      [{ destination_pod: [''] }, /destination_pod: a name is empty/],
      [{ source_workload: [{ name: '' }] }, /source_workload: a name is empty/],
      [{ destination_workload: [{ kind: 'Workload' }] }, /destination_workload: a name is empty/],
      [{ perigee: { source_entity: [''] } }, /perigee.source_entity: an entity is empty/],
      [{ perigee: { policy: [''] } }, /perigee.policy: a name is empty/],
      [{ perigee: { http_path_prefix: [''] } }, /perigee.http_path_prefix: a path is empty/],
      [{ ip_version: ['IPv4', 'IPv5'] }, /ip_version: unknown version of IP: "IPv5"/],
      [{ protocol: ['constructor'] }, /protocol: unknown protocol: "constructor"/],
      [{ reply: [true], verdict: ['TRACED'] }, /verdict: no flow has the verdict TRACED/],
      [{ encrypted: [true], event_type: [{ type: 7 }] }, /event_type: flows of event type 7/],
      [{ source_service: ['api'], perigee: { kind: ['x'] } }, /perigee.kind: unknown kind/],
      [{ http_path: ['('] }, /http_path: not a regular expression/],
      [{ http_url: ['a{2,1}'] }, /http_url: not a regular expression/],
      [{ http_status_code: ['6xx'] }, /http_status_code: not an HTTP status/],
      [{ http_header: [{ key: 'cookie', value: 'a' }] }, /http_header: the header "cookie" is not recorded/],
      [{ protocol: ['sctp'] }, /protocol: unknown protocol/],
      [{ event_type: [{ type: 7 }] }, /event_type: flows of event type 7 are not recorded/],
      [{ node_name: ['a[b]'] }, /node_name: not a node/],
      [{ traffic_direction: ['TRAFFIC_DIRECTION_UNKNOWN'] }, /traffic_direction: unknown direction/],
      [{ perigee: { reason: ['nonsense'] } }, /perigee.reason: unknown reason/],
    ];
    for (const [wire, message] of faults) {
      assert.throws(() => filtersFromWire([{}, wire], 'whitelist', 'node-1'), {
        code: 'ERR_FILTER_INVALID',
        message,
      });
    }
  });
});

test('label selectors have the syntax of Kubernetes', () => {
  assert.deepEqual(parseLabelSelector('k8s:app=web, tier in (a,b),!old,x!=y,z'), [
    { key: 'app', operator: 'In', values: ['web'] },
    { key: 'tier', operator: 'In', values: ['a', 'b'] },
    { key: 'old', operator: 'DoesNotExist', values: [] },
    { key: 'x', operator: 'NotIn', values: ['y'] },
    { key: 'z', operator: 'Exists', values: [] },
  ]);
  for (const text of ['', 'a in b', '=x', 'a=b=c', 'a in (b']) assert.throws(() => parseLabelSelector(text));
});
