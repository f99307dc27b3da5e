// SPDX-License-Identifier: Apache-2.0
// Builds a small shop of real programs in network namespaces and tells a story about it.
// usage: main.ts, with DEMO_EXIT=1 in the environment to end when the story has
import { once } from 'node:events';
import { onlyOne } from '../test/support/only-one.ts';
import { Screen, wantsColors } from './screen.ts';
import { Stage } from './stage.ts';
import { showAfter, showBefore } from './story/before-and-after.ts';
import { showKill } from './story/kill.ts';
import { showLiveEdit } from './story/live-edit.ts';
import { leaveOpen, sayWhatIsNext, showTable } from './story/next.ts';
import { showExplain, showWhy } from './story/why.ts';
import { messageOf } from '../src/lib/errors.ts';

async function setUp(stage: Stage): Promise<void> {
  const { screen, shop } = stage;
  screen.title('A small shop, in network namespaces of this host');
  screen.say(`  web       nginx, reverse proxy to the API       ${shop.web.address4}  ${shop.web.address6}
  api       Python, HTTP; asks the ledger         ${shop.api.address4}  ${shop.api.address6}
  ledger    Python, a database that speaks first  ${shop.ledger.address4}  ${shop.ledger.address6}
  intruder  a neighbour that was taken over       ${shop.intruder.address4}  ${shop.intruder.address6}
  visitor   curl, out in the world                ${shop.visitor.address4}  ${shop.visitor.address6}`);
  await stage.agent.clear();
  await shop.open();
}

async function tell(stage: Stage, stop: AbortSignal): Promise<void> {
  const story: readonly ((stage: Stage) => void | Promise<void>)[] = [
    showBefore,
    showAfter,
    showWhy,
    showExplain,
    showLiveEdit,
    showKill,
    showTable,
  ];
  for (const step of story) {
    stop.throwIfAborted();
    await step(stage);
  }
}

if (process.getuid?.() !== 0) {
  console.error('demo: network namespaces and eBPF need root; run `sudo make demo`');
  process.exit(2);
}
const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => stop.abort(new Error(`stopped by ${name}`)));
}
await onlyOne('demo').catch((error: unknown) => {
  console.error(`demo: ${messageOf(error)}`);
  process.exit(2);
});
const screen = new Screen(wantsColors(process.stdout, process.env));
const stage = new Stage(screen);
try {
  await setUp(stage);
  const begun = performance.now();
  await tell(stage, stop.signal);
  screen.say(`\nThe story took ${Math.round((performance.now() - begun) / 1000)} s.`);
  process.exitCode = stage.verdicts.failed === 0 ? 0 : 1;
  if ((process.env['DEMO_EXIT'] ?? '') === '') {
    leaveOpen(stage);
    if (!stop.signal.aborted) await once(stop.signal, 'abort');
  } else {
    sayWhatIsNext(stage);
  }
} catch (error) {
  console.error(`\ndemo: ${messageOf(error)}`);
  process.exitCode = 1;
}
try {
  await stage.clear();
  screen.say('\nRemoved namespaces, programs, hooks and pins.');
} catch (error) {
  console.error(`demo: not everything was removed: ${messageOf(error)}`);
  process.exitCode = 1;
}
