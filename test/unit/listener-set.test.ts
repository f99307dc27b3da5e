// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { listenerOf, ListenerSet, outboundPort } from '../../src/proxy/listener-set.ts';

describe('listeners', () => {
  const workload = { id: 1, identity: 2, namespace: 'n', name: 'w', netns: '/ns', netnsCookie: '77' };
  /** @param taken addresses and ports in use, addresses that aren't there, and an errno of all further sockets */
  const busy = (...taken: (string | number)[]) => {
    const closed: number[] = [];
    let fd = 10;
    const host = {
      netns: { open: () => 5, cookie: () => 77n },
      sockets: {
        openListener: ({ address, port }: { address: string; port: number }) => {
          if (taken.includes(`${address}:${String(port)}`))
            throw Object.assign(new Error('in use'), { errno: 98 });
          const errno = taken.find((one) => typeof one === 'number');
          if (errno !== undefined && address === '::1') throw Object.assign(new Error('errno'), { errno });
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
    assert.equal(set.isPartial(partial), true);
    assert.equal(set.complete(partial), undefined);
    const complete = busy().set.complete(partial);
    assert.ok(complete !== undefined && !set.isPartial(complete));
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

  test('a family that the kernel does not know is not waited for', () => {
    const { set } = busy(97);
    const open = set.open(workload);
    assert.deepEqual([open.outbound.length, open.inbound.length], [1, 1]);
    assert.equal(set.isPartial(open), false);
    assert.equal(set.complete(open), undefined);
  });

  test('a family of which one socket can be had and the next one can not leaves none open', () => {
    const partial = busy('::1').set.open(workload);
    const closed: number[] = [];
    let opened = 0;
    const set = new ListenerSet({
      netns: { open: () => 5, cookie: () => 77n },
      sockets: {
        openListener: ({ port }) => {
          if (opened++ > 0) throw Object.assign(new Error('too many'), { errno: 24 });
          return { fd: 50, port };
        },
        close: (fd) => void closed.push(fd),
      },
    });
    assert.throws(() => set.complete(partial), { message: 'too many' });
    assert.deepEqual(closed, [50]);
  });

  test('another namespace behind the same path is refused, and nothing stays open', () => {
    const { set, closed } = busy();
    assert.throws(() => set.open({ ...workload, netnsCookie: '78' }), { code: 'ERR_NETNS_CHANGED' });
    assert.deepEqual(closed, [5]);
  });
});
