// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isPartial, listenerOf, ListenerSet, outboundPort } from '../../src/proxy/listener-set.ts';

describe('listeners', () => {
  const workload = { id: 1, identity: 2, namespace: 'n', name: 'w', netns: '/ns', netnsCookie: '77' };
  const busy = (...taken: string[]) => {
    const closed: number[] = [];
    let fd = 10;
    const host = {
      netns: { open: () => 5, cookie: () => 77n },
      sockets: {
        openListener: ({ address, port }: { address: string; port: number }) => {
          if (taken.includes(`${address}:${String(port)}`))
            throw Object.assign(new Error('in use'), { errno: 98 });
          if (taken.includes(address)) throw Object.assign(new Error('no IPv6'), { errno: 99 });
          return { fd: fd++, port: port === 0 ? 40000 : port };
        },
        close: (one: number) => void closed.push(one),
      },
    };
    return { set: new ListenerSet(host), closed };
  };

  test('the usual ports, both families', () => {
    const open = busy().set.open(workload);
    assert.deepEqual(
      open.outbound.map(({ family, port }) => [family, port]),
      [
        [4, 15001],
        [6, 15001],
      ],
    );
    assert.deepEqual(
      open.inbound.map(({ family, port }) => [family, port]),
      [
        [4, 15006],
        [6, 15006],
      ],
    );
    assert.equal(listenerOf(open, 'inbound').identity, 2);
  });

  test('a port that one family has taken is given up for both', () => {
    const { set, closed } = busy('127.0.0.1:15001', '::1:15003');
    assert.equal(outboundPort(set.open(workload)), 15005);
    assert.equal(closed.length, 1);
  });

  test('a namespace without IPv6 has IPv4 listeners', () => {
    assert.deepEqual(
      busy('::1')
        .set.open(workload)
        .outbound.map(({ family }) => family),
      [4],
    );
  });

  test('a family whose loopback comes later gets the same ports, and nothing is opened twice', () => {
    const { set } = busy('::1');
    const partial = set.open(workload);
    assert.equal(isPartial(partial), true);
    assert.equal(set.complete(partial), undefined);
    const complete = busy().set.complete(partial);
    assert.ok(complete !== undefined && !isPartial(complete));
    assert.deepEqual(
      complete.outbound.map(({ family, port }) => [family, port]),
      [
        [4, 15001],
        [6, 15001],
      ],
    );
    assert.equal(complete.outbound[0], partial.outbound[0]);
    assert.equal(busy().set.complete(complete), undefined);
  });

  test('another namespace behind the same path is refused, and nothing stays open', () => {
    const { set, closed } = busy();
    assert.throws(() => set.open({ ...workload, netnsCookie: '78' }), { code: 'ERR_NETNS_CHANGED' });
    assert.deepEqual(closed, [5]);
  });
});
