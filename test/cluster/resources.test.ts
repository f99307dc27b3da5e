// SPDX-License-Identifier: Apache-2.0
// The definitions of our resources, on a real API server: what it takes, and what it refuses before anybody reads it.
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import {
  apply,
  freshNamespace,
  installDefinitions,
  kubectl,
  repository,
  tryApply,
} from '../support/cluster.ts';

const namespace = 'test-resources';

before(() => {
  installDefinitions();
  freshNamespace(namespace);
});

const policy = (spec: object): object => ({
  apiVersion: 'perigee.dev/v1alpha1',
  kind: 'AccessPolicy',
  metadata: { namespace, name: 'case' },
  spec,
});
const ingress = (rule: object): object => policy({ ingress: [{ action: 'Allow', ...rule }] });
const http = (match: object): object => ingress({ http: [match] });

interface Written {
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

const examples = globSync('examples/**/*.yaml', { cwd: repository }).flatMap((file) =>
  parseAllDocuments(readFileSync(join(repository, file), 'utf8'))
    .map((document) => document.toJS() as Written)
    .filter(({ kind }) => kind.endsWith('AccessPolicy'))
    .map((object) => [file, object] as const),
);
assert.ok(examples.length >= 5);

for (const [file, object] of examples) {
  test(`${object.kind} ${object.metadata.name} of ${file} is taken`, () => {
    const { status, stderr } = tryApply({
      ...object,
      metadata: { name: object.metadata.name, ...(object.kind === 'AccessPolicy' ? { namespace } : {}) },
    });
    assert.equal(status, 0, stderr);
    kubectl(
      'delete',
      object.kind,
      object.metadata.name,
      ...(object.kind === 'AccessPolicy' ? ['-n', namespace] : []),
    );
  });
}

const good: Readonly<Record<string, object>> = {
  'a named port': ingress({ to: [{ port: 'http' }] }),
  'a range of ports': ingress({ to: [{ port: 8000, endPort: 8100, protocol: 'UDP' }] }),
  'IPv6 blocks': ingress({ from: [{ cidrs: ['fd00::/8'], except: ['fd00:1::/32'] }] }),
  'a regular expression': http({ path: { type: 'RegularExpression', value: '/items/[0-9]{1,9}' } }),
  'a header that is there': http({ headers: [{ name: 'x-tenant', type: 'Present' }] }),
  'an address as host': http({ hosts: ['[fd00::1]', '*.example.com', '10.0.0.1'] }),
  'a method of one’s own': http({ methods: ['PURGE'] }),
  'no rule at all': policy({ ingress: [] }),
};
for (const [name, object] of Object.entries(good)) {
  test(`taken: ${name}`, () => {
    const { status, stderr } = tryApply(object);
    assert.equal(status, 0, stderr);
  });
}

const bad: Readonly<Record<string, readonly [object, RegExp]>> = {
  'neither direction': [policy({ selector: {} }), /needs `ingress` or `egress`/],
  'an unknown field': [ingress({ form: [] }), /form/],
  'an unknown action': [policy({ ingress: [{ action: 'Permit' }] }), /Unsupported value: "Permit"/],
  'an empty peer': [ingress({ from: [{}] }), /should have at least 1 properties/],
  'an empty list of peers': [ingress({ from: [] }), /should have at least 1 items/],
  'a port beyond the last': [ingress({ to: [{ port: 65536 }] }), /65535/],
  'a name that no port can have': [ingress({ to: [{ port: 'a--b' }] }), /should match/],
  'a range after a name': [ingress({ to: [{ port: 'http', endPort: 90 }] }), /`endPort` needs a `port`/],
  'a range that ends before it begins': [
    ingress({ to: [{ port: 90, endPort: 80 }] }),
    /`endPort` needs a `port`/,
  ],
  SCTP: [ingress({ to: [{ port: 90, protocol: 'SCTP' }] }), /SCTP is not supported/],
  'a block that is none': [ingress({ from: [{ cidrs: ['10.0.0.0/33'] }] }), /must be of type cidr/],
  'exceptions of nothing': [ingress({ from: [{ except: ['10.0.0.0/8'] }] }), /`except` needs `cidrs`/],
  'an operator without values': [
    ingress({ from: [{ podSelector: { matchExpressions: [{ key: 'app', operator: 'In' }] } }] }),
    /`In` and `NotIn` need at least one value/,
  ],
  'HTTP over UDP': [
    ingress({ to: [{ port: 80, protocol: 'UDP' }], http: [{ methods: ['GET'] }] }),
    /is about TCP/,
  ],
  'gRPC without HTTP/2': [ingress({ grpc: [{ service: 'a.B' }], http2: false }), /is how gRPC travels/],
  'a method in small letters': [http({ methods: ['get'] }), /is case-sensitive: write it in capitals/],
  'a path without its slash': [http({ path: { value: 'items' } }), /a path begins with `\/`/],
  'a path with a query': [http({ path: { value: '/items?a=b' } }), /has no query/],
  'an expression that is none': [
    http({ path: { type: 'RegularExpression', value: '/items(' } }),
    /regexp|regular expression/,
  ],
  'an expression beyond RE2': [
    http({ path: { type: 'RegularExpression', value: '(?=a)' } }),
    /regexp|regular expression/,
  ],
  'a header without value': [
    http({ headers: [{ name: 'x-tenant' }] }),
    /`Present` takes no value, the others need one/,
  ],
  'a host with a port': [http({ hosts: ['example.com:80'] }), /should match/],
};
for (const [name, [object, message]] of Object.entries(bad)) {
  test(`refused: ${name}`, () => {
    const { status, stderr } = tryApply(object);
    assert.notEqual(status, 0);
    assert.match(stderr, message);
  });
}

test('a policy is listed by its short name, with its mode and what became of it', () => {
  apply(policy({ mode: 'Audit', ingress: [] }));
  const condition = {
    type: 'Accepted',
    status: 'False',
    reason: 'Unreadable',
    message: 'spec.ingress[0]: no',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  };
  const patch = JSON.stringify({ status: { conditions: [condition] } });
  kubectl('-n', namespace, 'patch', 'apol', 'case', '--subresource=status', '--type=merge', '-p', patch);
  const [heading, row] = kubectl('-n', namespace, 'get', 'apol', '-o', 'wide').trim().split('\n');
  assert.match(heading ?? '', /^NAME +MODE +ACCEPTED +REASON +AGE$/);
  assert.match(row ?? '', /^case +Audit +False +Unreadable /);
});

test('the API server writes the default mode into a policy', () => {
  apply(policy({ mode: 'Enforce', ingress: [{ action: 'Allow', http: [{ path: { value: '/' } }] }] }));
  const path = kubectl(
    '-n',
    namespace,
    'get',
    'apol',
    'case',
    '-o',
    'jsonpath={.spec.ingress[0].http[0].path.type}',
  );
  assert.equal(path, 'PathPrefix');
});
