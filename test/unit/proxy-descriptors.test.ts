// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Reactor } from '../../src/core/port/reactor.ts';
import { descriptorLimit, socketsPerWorker } from '../../src/proxy/descriptors.ts';
import { Shares } from '../../src/proxy/limits.ts';
import type { Pool } from '../../src/proxy/pool.ts';
import { SocketBudget } from '../../src/proxy/socket-budget.ts';
import { until } from '../support/lab.ts';
import { get, OK, withWire } from '../support/proxy-wire.ts';

/** A budget over shares whose sockets never close, until the test says so. */
function budgetOf(
  sockets: number,
  workloads: number,
): { budget: SocketBudget; shares: Shares; open: Set<number> } {
  const shares = new Shares();
  const open = new Set<number>();
  const reactor = {
    close: (slot: number) => open.add(slot),
    fd: (slot: number) => (open.has(slot) ? slot : -1),
  } as unknown as Reactor;
  const budget = new SocketBudget(reactor, shares, { evict: () => false } as unknown as Pool);
  budget.divide(sockets, workloads);
  return { budget, shares, open };
}

describe('descriptors', () => {
  test('the limit is the soft one, as the kernel tells it', () => {
    const line = (soft: string): string =>
      `Max processes 1 2 processes\nMax open files            ${soft}   4096   files\n`;
    assert.equal(descriptorLimit(line('1024')), 1024);
    assert.equal(descriptorLimit(line('unlimited')), Infinity);
    assert.ok(descriptorLimit() > 0);
  });

  test('what listeners and the process need is not given to connections', () => {
    const few = socketsPerWorker({ limit: 1024, workers: 1, workloads: 10 });
    assert.ok(few > 512 && few < 1024 - 10 * 5);
    assert.ok(socketsPerWorker({ limit: 1024, workers: 2, workloads: 10 }) <= few / 2);
    assert.ok(socketsPerWorker({ limit: 1024, workers: 1, workloads: 100 }) <= few - 90 * 5);
    assert.equal(socketsPerWorker({ limit: Infinity, workers: 1, workloads: 1, most: 500 }), 500);
  });

  test('too low a limit is a fault that says what to raise, not a proxy that refuses everybody', () => {
    assert.throws(() => socketsPerWorker({ limit: 128, workers: 1, workloads: 1 }), {
      code: 'ERR_PROXY_DESCRIPTORS',
      hint: /LimitNOFILE/,
    });
  });

  test('a workload takes its own part and the common one, and leaves the others theirs', () => {
    const { budget, shares } = budgetOf(80, 4); // 10 each, 40 for all
    const [greedy, modest, late] = [1, 2, 3].map((id) => shares.of(id));
    assert.ok(greedy !== undefined && modest !== undefined && late !== undefined);
    while (budget.admits(greedy, 1)) greedy.connections++;
    assert.equal(greedy.sockets, 50);
    for (const share of [modest, late]) {
      while (budget.admits(share, 1)) share.connections++;
      assert.equal(share.sockets, 10);
    }
    greedy.connections -= 4;
    while (budget.admits(late, 1)) late.connections++;
    assert.deepEqual([greedy.sockets, modest.sockets, late.sockets], [46, 10, 14]);
  });

  test('a socket that has not closed yet is still its workload’s', () => {
    const { budget, shares, open } = budgetOf(8, 1);
    const share = shares.of(1);
    for (let slot = 1; slot <= 7; slot++) budget.close(share, slot);
    assert.equal(budget.admits(share, 2), false);
    open.delete(3);
    assert.equal(budget.admits(share, 2), true);
    budget.divide(8, 0);
    shares.retain(new Set());
    assert.equal(shares.of(1), share, 'it is not forgotten before that');
  });

  test(
    'connections beyond the descriptors are reset and counted; the others go on, and room is used again',
    withWire(
      async (wire) => {
        wire.server.answer(OK);
        const inside = [await wire.client(), await wire.client(), await wire.client()];
        for (const client of inside) {
          client.write(get('/'));
          await client.sees('ok');
        }
        const outside = await wire.client();
        await outside.seesEnd();
        assert.equal(wire.drops('connection-limit'), 1);
        for (const client of inside) {
          client.write(get('/'));
          await client.sees(/ok[^]*ok/);
        }
        inside[0]?.socket.destroy();
        await until('the room', () => wire.proxy.engine.shares.connections === 2);
        const next = await wire.client();
        next.write(get('/'));
        await next.sees('ok');
      },
      { sockets: 8 }, // two each, and four for all
    ),
  );

  test(
    'a connection to the server that waits for a next client gives way to one that is there',
    withWire(
      async (wire) => {
        wire.server.answer(OK);
        const first = await wire.client();
        first.write(get('/'));
        await first.sees('ok');
        first.socket.destroy();
        await until('the pool', () => wire.proxy.engine.pool.size === 1);
        const second = await wire.client();
        // Not on a connection that the server may be closing just now.
        second.write('POST / HTTP/1.1\r\nhost: api\r\ncontent-length: 0\r\n\r\n');
        await second.sees('ok');
        assert.equal(wire.server.connections.length, 2);
        assert.equal(wire.proxy.engine.pool.size, 0);
        assert.equal(wire.drops('connection-limit'), 0);
      },
      { sockets: 2 },
    ),
  );

  test(
    'silent clients hold one socket each; who asks when there is none for its server is told so',
    withWire(
      async (wire) => {
        wire.server.answer(OK);
        const [first, second] = [await wire.client(), await wire.client(), await wire.client()];
        await until('the clients', () => wire.proxy.engine.shares.connections === 3);
        first.write(get('/'));
        await first.sees('ok');
        second.write(get('/'));
        await second.sees(/503 Service Unavailable[^]*over its share/);
        await second.seesEnd();
        assert.equal(wire.drops('connection-limit'), 1);
        const [share] = wire.proxy.engine.shares.all();
        await until('their end', () => share?.connections === 2);
        assert.equal(share?.servers, 1);
      },
      { sockets: 5 }, // one each, and three for all
    ),
  );
});
