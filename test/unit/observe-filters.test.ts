// SPDX-License-Identifier: Apache-2.0
// The filters that `perigee observe` has by the names of Hubble's client: each selects what it does there.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { filterFromWire } from '../../src/api/filter-from-wire.ts';
import { filterToWire } from '../../src/api/filter-to-wire.ts';
import { observeCommand } from '../../src/cli/commands/observe.ts';
import type { CliContext } from '../../src/cli/context.ts';
import { type FilterFlags, queryFromFlags } from '../../src/cli/observe/filters.ts';
import type { FlowFilter } from '../../src/core/flow-filter.ts';
import { createFlowStore } from '../support/flow-stores.ts';
import { batch, names, record } from '../support/flow-records.ts';
import { filterCases, filteredFlows } from '../support/hubble-cases.ts';

/** What Hubble's client has beside: what selects everything, nothing, or is refused; and its own ways to write some. */
const absent = [
  '--from-all-namespaces',
  '--to-all-namespaces',
  '--from-service',
  '--node-name',
  '--ipv4',
  '--ipv6',
  '-6',
  '--reply',
  '--not-reply',
  '--encrypted',
  '--unencrypted',
  '--allowlist',
  '--denylist',
  '--cluster',
  '--from-cluster',
  '--to-cluster',
  '--interface',
  '--snat-ip',
  '--ip-trace-id',
  '--node-label',
  '--cel-expression',
];
/** Refused here: identities are numbers, types have no sub-types, and what no flow has is an error of whoever asks. */
const values = ['world', 'trace:to-endpoint', 'trace:from-proxy', 'drop:133', 'drop:181', 'CT_NO_MAP_FOUND'];

function parse(args: readonly string[]): FilterFlags {
  let flags: FilterFlags = {};
  const command = observeCommand({} as CliContext, () => undefined);
  command.exitOverride().configureOutput({ writeErr: () => undefined });
  command.action((typed: FilterFlags) => {
    flags = typed;
  });
  command.parse(['--all', ...args.filter((arg, index) => arg !== '--last' && args[index - 1] !== '--last')], {
    from: 'user',
  });
  return flags;
}

/** As it comes to the agent. */
const sent = (filters: readonly FlowFilter[]): readonly FlowFilter[] =>
  filters.flatMap((filter) => filterFromWire(filterToWire(filter), 'node-1'));

suite("observe's filters are Hubble's", () => {
  const store = createFlowStore({
    bytes: 1 << 20,
    denialBytes: 1 << 18,
    names,
    clock: { current: () => 0n },
  });
  const timed = filteredFlows.map((fields, index) => ({ ...fields, time: BigInt(index + 1) }));
  const { bytes, offsets } = batch(timed.map((fields) => record(fields)));
  assert.equal(store.append(bytes, offsets), 0);

  const ask = async (args: readonly string[]): Promise<readonly number[]> => {
    const query = queryFromFlags(parse(args), 0);
    const wanted = { ...query, include: sent(query.include), exclude: sent(query.exclude) };
    const ports: number[] = [];
    for await (const event of store.query(wanted, new AbortController().signal))
      if (event.type === 'flow') ports.push(event.flow.source.port);
    const last = args.indexOf('--last');
    return last === -1 ? ports : ports.slice(-Number(args[last + 1]));
  };

  for (const [args, answer] of filterCases) {
    if (args.some((arg) => absent.includes(arg))) {
      test(`${args.join(' ')} is unknown here`, () => {
        assert.throws(() => parse(args), { name: 'CommanderError' });
      });
      continue;
    }
    test(args.join(' '), async () => {
      if (answer instanceof RegExp || args.some((arg) => values.includes(arg)) || args.at(-1) === 'none')
        await assert.rejects(ask(args), { code: 'ERR_USAGE' });
      else assert.deepEqual(await ask(args), answer);
    });
  }

  test('what is left out may be anything that can be asked for', async () => {
    const all = filteredFlows.map(({ sourcePort }) => sourcePort);
    const without = (...ports: number[]) => all.filter((port) => !ports.includes(port ?? 0));
    assert.deepEqual(await ask(['--not', '-n', 'dark']), without(4));
    assert.deepEqual(await ask(['--not', '--kind', 'request', '--not', '--status', '403']), without(3));
    assert.deepEqual(await ask(['-n', 'shop', '--not', '--to-service', 'api']), without(2));
  });

  test('a namespace completes names, and is that of either end where nothing says who', async () => {
    for (const [args, answer] of [
      [['-n', 'shop', '--to-workload', 'web'], []],
      [
        ['-n', 'shop', '--from-workload', 'web'],
        [1, 2, 3, 6, 7, 8, 9, 10, 11],
      ],
      [['-n', 'dark', '--from-workload', 'intruder'], [4]],
      [['-n', 'dark', '--from-workload', 'web'], []],
      [['-n', 'shop', '--from-namespace', 'dark'], [4]],
      [
        ['-n', 'dark', '--to-namespace', 'shop', '--protocol', 'http'],
        [2, 3],
      ],
      [['-n', 'dark', '--to-port', '8080'], [4]],
    ] as const)
      assert.deepEqual(await ask(args), answer, args.join(' '));
  });

  test('a value that is empty is refused, whatever it would stand for', async () => {
    const command = observeCommand({} as CliContext, () => undefined);
    const all = command.options.filter(({ required }) => required).map(({ long }) => long ?? '');
    const flags = all.slice(all.indexOf('--namespace'), all.indexOf('--output'));
    assert.ok(flags.length > 40);
    for (const flag of flags) {
      for (const args of [
        [flag, ''],
        ['-n', 'shop', flag, ''],
        ['--not', flag, ''],
        [flag, 'a', flag, ''],
      ])
        await assert.rejects(ask(args), { code: 'ERR_USAGE' }, args.join(' '));
    }
    for (const flag of ['--from', '--to', '--workload', '--policy'])
      for (const value of ['/', 'shop/web,'])
        await assert.rejects(ask([flag, value]), { code: 'ERR_USAGE' }, `${flag} ${value}`);
  });

  test('two flags for the same are refused, and a --not that nothing follows', async () => {
    for (const args of [
      ['--from-ip', '10.0.0.1', '--ip', '10.0.0.2'],
      ['--from-ip', '10.0.0.1', '--from', '10.0.0.2'],
      ['--method', 'GET', '--http-method', 'PUT'],
      ['--from-namespace', 'a', '--from-workload', 'b'],
    ])
      await assert.rejects(ask(args), { code: 'ERR_USAGE' });
    const command = observeCommand({} as CliContext, () => undefined);
    await assert.rejects(command.parseAsync(['--not'], { from: 'user' }), { code: 'ERR_USAGE' });
  });
});
