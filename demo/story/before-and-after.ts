// SPDX-License-Identifier: Apache-2.0
import type { Stage } from '../stage.ts';
import { makeVisits } from './visits.ts';

export function showBefore(stage: Stage): void {
  stage.screen.step(
    'Without Perigee',
    'Everybody on this network may ask everybody for everything: the visitor may order, and the intruder, a\n' +
      'neighbour that was taken over, reads the customers and talks to the ledger.',
  );
  makeVisits(stage, 'before');
}

export async function showAfter(stage: Stage): Promise<void> {
  const { screen, agent, config } = stage;
  screen.step(
    'Perigee starts',
    `Its policies are those of examples/shop/, three YAML files (copied to ${config}).\n` +
      'No program is restarted, none is told anything.',
  );
  screen.command(['bin/perigee', ...agent.arguments].join(' '));
  const started = performance.now();
  await agent.start();
  screen.output(`ready after ${((performance.now() - started) / 1000).toFixed(1)} s`);
  await stage.cli(['status']);

  screen.step(
    'The same commands again',
    'The customer notices nothing. The intruder still reads the catalog, which is for everyone in the shop; the customers\n' +
      'are refused with 403 on the same port, and connect() to the ledger fails at once.',
  );
  makeVisits(stage, 'after');
}
