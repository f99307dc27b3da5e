// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatAddress, isLoopback, parseAddress } from '../../src/core/identity/address.ts';
import { FIRST_ALLOCATED, IdentityAllocator } from '../../src/core/identity/allocator.ts';
import { createIdentity, labelsHash, spiffeId } from '../../src/core/identity/identity.ts';
import { createPeerIdentity, reservedPeers } from '../../src/core/identity/peer-identity.ts';
import {
  contains,
  formatPrefix,
  hasHostBits,
  parsePrefix,
  PrefixTable,
} from '../../src/core/identity/prefix.ts';

const canonical = (text: string) => {
  const address = parseAddress(text);
  return address === undefined ? undefined : formatAddress(address);
};

test('addresses are read and written in canonical form', () => {
  const cases: [string, string | undefined][] = [
    ['10.0.0.1', '10.0.0.1'],
    ['255.255.255.255', '255.255.255.255'],
    ['fd00:0:0:0:0:0:0:1', 'fd00::1'],
    ['FD00::00A1', 'fd00::a1'],
    ['::', '::'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::ffff:10.1.2.3', '10.1.2.3'],
    ['::ffff:a01:203', '10.1.2.3'],
    ['64:ff9b::10.1.2.3', '64:ff9b::a01:203'],
    ['010.0.0.1', undefined],
    ['10.0.0', undefined],
    ['fe80::1%eth0', undefined],
    ['', undefined],
  ];
  for (const [text, expected] of cases) assert.equal(canonical(text), expected, text);
});

test('formatting an address and parsing it again gives the same address', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }), (bits) => {
      const address = parseAddress(formatAddress({ family: 6, bits }));
      assert.equal(address?.family === 6 ? address.bits : (0xffffn << 32n) | (address?.bits ?? 0n), bits);
    }),
  );
});

test('loopback is 127.0.0.0/8, ::1 and the unspecified address, mapped or not', () => {
  for (const text of ['127.0.0.1', '127.9.9.9', '0.0.0.0', '::', '::1', '::ffff:127.0.0.1']) {
    const address = parseAddress(text);
    assert.ok(address !== undefined && isLoopback(address), text);
  }
  for (const text of ['128.0.0.1', '0.0.0.1', '::2']) {
    const address = parseAddress(text);
    assert.ok(address !== undefined && !isLoopback(address), text);
  }
});

test('prefixes are cleared of host bits and refused when they are none', () => {
  const cases: [string, string | undefined][] = [
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['fd00::1/64', 'fd00::/64'],
    ['::ffff:10.1.2.3/104', '10.0.0.0/8'],
    ['::ffff:0:0/95', undefined],
    ['10.0.0.0/33', undefined],
    ['10.0.0.0/08', undefined],
    ['10.0.0.0', undefined],
    ['10.0.0.0/', undefined],
    ['/8', undefined],
  ];
  for (const [text, expected] of cases) {
    const prefix = parsePrefix(text);
    assert.equal(prefix === undefined ? undefined : formatPrefix(prefix), expected, text);
  }
  assert.equal(hasHostBits('10.1.2.3/8'), true);
  assert.equal(hasHostBits('10.0.0.0/8'), false);
});

test('the longest prefix of a table is the longest of those that contain the address', () => {
  const text = fc.constantFrom(
    '10.0.0.0/8',
    '10.0.0.0/9',
    '10.1.0.0/16',
    '10.1.2.3/32',
    '0.0.0.0/0',
    '::/0',
    'fd00::/8',
  );
  const address = fc.oneof(
    fc.constantFrom('10.1.2.3', '10.1.2.4', '10.128.0.0', '11.0.0.0', 'fd00::1', 'fe80::1'),
    fc.ipV4(),
  );
  fc.assert(
    fc.property(fc.uniqueArray(text), address, (texts, one) => {
      const prefixes = texts.map(parsePrefix).filter((prefix) => prefix !== undefined);
      const parsed = parseAddress(one);
      assert.ok(parsed !== undefined);
      const holding = prefixes.filter((prefix) => contains(prefix, parsed));
      const longest = holding.sort((a, b) => b.length - a.length)[0];
      assert.deepEqual(new PrefixTable(prefixes).longest(parsed), longest);
    }),
  );
});

test('an identity is its four parts and nothing else', () => {
  const parts = {
    trustDomain: 'cluster.local',
    namespace: 'shop',
    serviceAccount: 'web',
    labels: { app: 'web', tier: 'x' },
  };
  const { key } = createIdentity(parts);
  assert.equal(createIdentity({ ...parts, labels: { tier: 'x', app: 'web' } }).key, key);
  assert.notEqual(createIdentity({ ...parts, labels: { app: 'web' } }).key, key);
  assert.notEqual(createIdentity({ ...parts, namespace: 'bank' }).key, key);
  assert.notEqual(createIdentity({ ...parts, serviceAccount: 'x' }).key, key);
  assert.notEqual(createIdentity({ ...parts, trustDomain: 'other' }).key, key);
  assert.equal(spiffeId(createIdentity(parts)), 'spiffe://cluster.local/ns/shop/sa/web');
  assert.notEqual(labelsHash({ a: 'b,c=d' }), labelsHash({ a: 'b', c: 'd' }));
});

test('World, Node and ApiServer keep the numbers that Hubble knows them by, and blocks within them get their own', () => {
  const allocator = new IdentityAllocator({ reserved: reservedPeers });
  assert.equal(allocator.allocate(createPeerIdentity({}).key), 2);
  assert.equal(allocator.allocate(createPeerIdentity({ node: true }).key), 1);
  assert.equal(allocator.allocate(createPeerIdentity({ apiServer: true }).key), 7);
  assert.equal(
    allocator.allocate(createPeerIdentity({ prefix: parsePrefix('10.0.0.0/8') }).key),
    FIRST_ALLOCATED,
  );
  assert.deepEqual(allocator.assignments().length, 1);
});

test('a key keeps its number, and a number is never given to another key', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom('allocate', 'retain', 'restart'), fc.nat(20))),
      (operations) => {
        let allocator = new IdentityAllocator();
        const owner = new Map<number, string>();
        let highest = FIRST_ALLOCATED - 1;
        for (const [operation, number] of operations) {
          const key = `key ${number}`;
          if (operation === 'retain') allocator.retain([key]);
          else if (operation === 'restart') {
            allocator = new IdentityAllocator({ seed: allocator.assignments(), next: allocator.next });
          } else {
            const known = allocator.lookup(key);
            const given = allocator.allocate(key);
            if (known !== undefined) assert.equal(given, known);
            else assert.ok(given > highest, 'numbers only grow');
            highest = Math.max(highest, given);
            assert.equal(owner.get(given) ?? key, key);
            owner.set(given, key);
          }
        }
      },
    ),
  );
});

test('a seed survives a restart, and of two numbers for one key the older stays', () => {
  const before = new IdentityAllocator();
  const number = before.allocate('a');
  const [[, hash] = [0, '']] = before.assignments();
  const after = new IdentityAllocator({
    seed: [
      [9000, hash],
      [number, hash],
    ],
  });
  assert.equal(after.lookup('a'), number);
  assert.equal(after.allocate('b'), 9001);
});

test('an allocator that has used every number says so instead of starting over', () => {
  const allocator = new IdentityAllocator({ next: 0xffff_ffff });
  assert.equal(allocator.allocate('last'), 0xffff_ffff);
  assert.throws(() => allocator.allocate('one more'), { code: 'ERR_IDENTITY_EXHAUSTED' });
  assert.equal(allocator.allocate('last'), 0xffff_ffff);
});
