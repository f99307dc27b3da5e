// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import { urlOf } from '../probe.ts';
import { API_PORT, WEB_PORT } from '../shop.ts';
import type { Stage } from '../stage.ts';

export function showTable(stage: Stage): void {
  stage.screen.step('Expected and seen', 'Every verdict of this story:');
  stage.verdicts.print(stage.screen);
}

/** Leaves the shop open, with a customer and an intruder at work so that there is something to watch. */
export function leaveOpen(stage: Stage): void {
  const { screen, shop } = stage;
  shop.customer(shop.visitor, urlOf(shop.web.address4, WEB_PORT, '/orders'), 1000);
  shop.customer(shop.intruder, urlOf(shop.api.address6, API_PORT, '/admin/customers'), 3000);
  screen.step(
    'What to try next',
    'The shop stays open, with a customer and an intruder at work. In another terminal, in this folder:',
  );
  const tries: readonly (readonly [what: string, command: string])[] = [
    ['watch what happens', stage.typed(['observe', '-f'])],
    ['only what is refused, and why', stage.typed(['observe', '-f', '--verdict', 'denied', '--why'])],
    [
      'ask as the intruder',
      `ip netns exec ${shop.intruder.netns} curl -i ${urlOf(shop.api.address4, API_PORT, '/admin/customers')}`,
    ],
    ['change the rules, or break the file', `\${EDITOR:-vi} ${join(stage.config, 'access.yaml')}`],
    ['see what the agent thinks of it', stage.typed(['status'])],
  ];
  for (const [what, command] of tries) {
    screen.say(`  ${what}`);
    screen.command(command);
  }
  screen.say('\nCtrl-C ends the demo and removes everything that it made.');
}

export function sayWhatIsNext(stage: Stage): void {
  stage.screen.step(
    'What to try next',
    'Without DEMO_EXIT=1 the shop stays open: watch it with `perigee observe -f`, edit its rules, kill what you like.\n' +
      'The policies are in examples/shop/, more of them in examples/.',
  );
}
