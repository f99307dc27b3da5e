// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readFolder } from '../../src/control/source/files/read-folder.ts';
import { evaluate } from '../../src/core/policy/evaluate.ts';
import type { HttpRequest, Question } from '../../src/core/policy/verdict.ts';
import type { World } from '../../src/core/policy/world.ts';
import { visiblePorts } from '../../src/core/workload/workload.ts';
import { checkCollection } from '../../src/core/resources/collection.ts';
import { parseManifest } from '../../src/core/resources/manifest.ts';
import { formatResourceError } from '../../src/core/resources/resource-error.ts';
import { buildWorld } from '../support/one-world.ts';

const examples = fileURLToPath(new URL('../../examples/', import.meta.url));

function worldOf(...files: readonly string[]): World {
  const manifests = files.map((file) => parseManifest(readFileSync(join(examples, file), 'utf8'), file));
  const resources = manifests.flatMap((manifest) => manifest.resources);
  const errors = [...manifests.flatMap((manifest) => manifest.errors), ...checkCollection(resources)];
  assert.deepEqual(errors.map(formatResourceError), []);
  return buildWorld({ resources });
}

const request = (
  method: string,
  path: string,
  more: Partial<Pick<HttpRequest, 'host' | 'headers' | 'query'>> = {},
): HttpRequest => ({ method, path, host: 'x', headers: [], query: [], ...more });

const call = (path: string): HttpRequest =>
  request('POST', path, { headers: [['content-type', 'application/grpc']] });

type Ask = readonly [from: string, to: string, port: number, http?: HttpRequest];

function verdict(world: World, [from, to, port, http]: Ask): string {
  const end = (name: string): Question['source'] =>
    name.includes('/') ? { workload: name } : { address: name };
  const question = { source: end(from), destination: end(to), port, protocol: 'TCP' as const };
  return evaluate(world, http === undefined ? question : { ...question, http }).verdict;
}

test('every example parses alone, without a fault, and selects a workload, or has its requests seen', () => {
  const files = globSync('*.yaml', { cwd: examples });
  assert.ok(files.length >= 6);
  for (const file of files) {
    const { selections, workloads } = worldOf(file);
    const isSeen = [...workloads.values()].some((one) => visiblePorts(one) !== undefined);
    assert.ok(selections.size > 0 || isSeen, file);
  }
});

test('the README of the examples names each of them', () => {
  const readme = readFileSync(join(examples, 'README.md'), 'utf8');
  for (const file of globSync('*.yaml', { cwd: examples })) assert.ok(readme.includes(`](${file})`), file);
});

test('the shop is read as one folder', async () => {
  const read = await readFolder(join(examples, 'shop'));
  assert.ok('snapshot' in read, JSON.stringify(read));
  assert.equal(read.snapshot.resources.length, 7);
});

const shop = ['shop/workloads.yaml', 'shop/access.yaml', 'shop/network.yaml'];
const tenant = {
  host: 'payments.shop.internal',
  headers: [
    ['x-tenant', 'a-1'],
    ['authorization', 'Bearer x'],
  ],
} as const;

const expected: readonly (readonly [files: readonly string[], verdict: string, ask: Ask])[] = [
  [shop, 'Allow', ['192.0.2.7', 'shop/web', 80, request('GET', '/orders')]],
  [shop, 'Deny', ['192.0.2.7', 'shop/web', 80, request('GET', '/admin/customers')]],
  [shop, 'Deny', ['192.0.2.7', 'shop/api', 8080, request('GET', '/catalog')]],
  [shop, 'Allow', ['shop/web', 'shop/api', 8080, request('POST', '/orders')]],
  [shop, 'Allow', ['shop/intruder', 'shop/api', 8080, request('GET', '/catalog')]],
  [shop, 'Deny', ['shop/intruder', 'shop/api', 8080, request('GET', '/orders')]],
  [shop, 'Deny', ['shop/intruder', 'shop/api', 8080, request('GET', '/admin/customers')]],
  [shop, 'Allow', ['shop/api', 'shop/ledger', 6400]],
  [shop, 'Deny', ['shop/intruder', 'shop/ledger', 6400]],
  [['layer-4-only.yaml'], 'Allow', ['office/backup', 'office/files', 873]],
  [['layer-4-only.yaml'], 'Deny', ['office/backup', 'office/files', 2049]],
  [['layer-4-only.yaml'], 'Allow', ['10.20.1.1', 'office/files', 2049]],
  [['layer-4-only.yaml'], 'Deny', ['10.20.99.1', 'office/files', 2049]],
  [['audit-first.yaml'], 'Allow', ['192.0.2.7', 'office/wiki', 8080, request('POST', '/')]],
  [['deny-wins.yaml'], 'Allow', ['192.0.2.7', 'finance/billing', 8080, request('GET', '/invoices')]],
  [['deny-wins.yaml'], 'Deny', ['192.0.2.7', 'finance/billing', 8080, request('GET', '/debug/pprof')]],
  [['grpc.yaml'], 'Allow', ['shop/checkout', 'shop/payments', 50051, call('/shop.v1.Payments/Charge')]],
  [['grpc.yaml'], 'Deny', ['shop/checkout', 'shop/payments', 50051, call('/shop.v1.Payments/Refund')]],
  [['grpc.yaml'], 'Deny', ['192.0.2.7', 'shop/payments', 50051, call('/shop.v1.Payments/Charge')]],
  [['grpc.yaml'], 'Allow', ['192.0.2.7', 'shop/payments', 50051, call('/grpc.health.v1.Health/Check')]],
  [
    ['headers-and-regex.yaml'],
    'Allow',
    ['shop/checkout', 'shop/payments', 8080, request('POST', '/tenants/a-1/charges', tenant)],
  ],
  [
    ['headers-and-regex.yaml'],
    'Deny',
    ['shop/checkout', 'shop/payments', 8080, request('POST', '/tenants/a-1/charges')],
  ],
  [
    ['headers-and-regex.yaml'],
    'Deny',
    ['shop/checkout', 'shop/payments', 8080, request('POST', '/tenants/A/charges', tenant)],
  ],
  [
    ['headers-and-regex.yaml'],
    'Allow',
    ['shop/checkout', 'shop/payments', 8080, request('GET', '/charges/7', { query: [['version', '2']] })],
  ],
  [['network-policy.yaml'], 'Allow', ['lab/notebook', 'data/postgres', 5432]],
  [['network-policy.yaml'], 'Deny', ['lab/notebook', 'data/postgres', 22]],
  [['network-policy.yaml'], 'Deny', ['10.30.7.1', 'data/postgres', 5432]],
  [['network-policy.yaml'], 'Deny', ['data/postgres', '192.0.2.7', 443]],
  [['cgroup-workload.yaml'], 'Allow', ['host/mailer', '10.40.0.25', 25]],
  [['cgroup-workload.yaml'], 'Deny', ['host/mailer', '10.40.0.26', 25]],
];

for (const [files, answer, ask] of expected) {
  const [from, to, port, http] = ask;
  const what = `${from} to ${to}:${port}${http === undefined ? '' : ` ${http.method} ${http.path}`}`;
  test(`${files.length > 1 ? 'shop/' : (files[0] ?? '')} says ${answer} for ${what}`, () => {
    assert.equal(verdict(worldOf(...files), ask), answer);
  });
}

test('the audit example reports what it would refuse', () => {
  const world = worldOf('audit-first.yaml');
  const question: Question = {
    source: { address: '192.0.2.7' },
    destination: { workload: 'office/wiki' },
    port: 8080,
    protocol: 'TCP',
    http: request('POST', '/'),
  };
  assert.equal(evaluate(world, question).auditWouldDeny.length, 1);
});
