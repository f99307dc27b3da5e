// SPDX-License-Identifier: Apache-2.0
// Every filter that Hubble's own client has, against the flow API: what each selects, or says.
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { hubbleFilters } from '../../src/api/hubble-filters.ts';
import { type FakeAgent, startFakeAgent } from '../support/fake-agent.ts';
import { batch, record } from '../support/flow-records.ts';
import { filterCases, filteredFlows } from '../support/hubble-cases.ts';
import { hubbleFlows, portsOf, runHubble } from '../support/hubble-client.ts';

suite("each of Hubble's filters", () => {
  let agent: FakeAgent;
  before(async () => {
    agent = await startFakeAgent();
    const started = BigInt(Date.now() - 60_000) * 1_000_000n;
    const timed = filteredFlows.map((fields, index) => ({ ...fields, time: started + BigInt(index) }));
    const { bytes, offsets } = batch(timed.map((fields) => record(fields)));
    assert.equal(agent.store.append(bytes, offsets), 0);
  });
  after(() => agent.close());

  for (const [args, answer] of filterCases)
    test(args.join(' '), async () => {
      if (!(answer instanceof RegExp)) {
        assert.deepEqual(portsOf(await hubbleFlows(agent.socketPath, ...args)), answer);
        return;
      }
      const { code, err } = await runHubble(agent.socketPath, 'observe', '--all', ...args);
      assert.notEqual(code, 0);
      assert.match(err, /InvalidArgument/);
      assert.match(err, answer);
    });

  test('--uuid finds the flow that has it', async () => {
    const [, second] = await hubbleFlows(agent.socketPath);
    assert.deepEqual(portsOf(await hubbleFlows(agent.socketPath, '--uuid', second?.flow?.uuid ?? '')), [2]);
  });

  test('is tried here, and in the reference', async () => {
    const { out } = await runHubble(agent.socketPath, 'observe', '--help');
    const section = /^Filters Flags:\n(.*?)^\w/ms.exec(out)?.[1] ?? '';
    const flags = [...section.matchAll(/^ {2,6}(?:-\w, )?--([\w-]+) filter/gm)].map(([, flag = '']) => flag);
    assert.ok(flags.length > 50);
    const tried = new Set(filterCases.flatMap(([args]) => args));
    assert.deepEqual(
      flags.filter((flag) => !tried.has(`--${flag}`)),
      [],
    );
    assert.deepEqual(hubbleFilters.flatMap((filter) => filter.flags).sort(), flags.sort());
  });
});
