// SPDX-License-Identifier: Apache-2.0
import { type Answer, Loop } from '../loop.ts';
import { urlOf } from '../probe.ts';
import { WEB_PORT } from '../shop.ts';
import type { Stage } from '../stage.ts';
import { forbiddenVisit, visits } from './visits.ts';

/** How long the shop is without an agent, ms. */
const ABSENCE_MS = 2000;
/** Least requests that count as a test. */
const ENOUGH = 10;

/** The agent dies without a chance to say goodbye; what is allowed and what is refused stays so. */
export async function showKill(stage: Stage): Promise<void> {
  const { screen, shop, agent } = stage;
  screen.step(
    'The agent dies',
    'A customer orders a hundred times a second. The agent is killed with -9: what it put into the kernel stays. What was\n' +
      'allowed is served, what was refused is refused; a refused request only gets no answer, for it was the agent that\n' +
      'wrote the 403. Then it is started again and takes over what it finds.',
  );
  const loop = new Loop(shop.customer(shop.visitor, urlOf(shop.web.address4, WEB_PORT, '/orders'), 10));
  await loop.begun();
  const moment = Date.now();
  screen.command(`kill -9 ${agent.pid}`);
  await agent.end('SIGKILL');
  for (const visit of visits.filter(({ before, after }) => before !== after)) {
    const attempt = visit.attempt(shop, 4, ['--max-time', '1']);
    stage.expect('agent dead', visit.what, visit.withoutAgent ?? visit.after, attempt.outcome);
  }
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, ABSENCE_MS - (Date.now() - moment))));
  screen.command(['bin/perigee', ...agent.arguments].join(' '));
  const started = performance.now();
  await agent.start();
  screen.output(`ready again after ${((performance.now() - started) / 1000).toFixed(1)} s`);
  await new Promise((resolve) => setTimeout(resolve, 300));
  const again = forbiddenVisit.attempt(shop, 6);
  stage.expect('agent back', `${forbiddenVisit.what}, IPv6`, forbiddenVisit.after, again.outcome);
  const answers = loop.since(moment);
  loop.end();
  const failed = answers.filter(({ status }) => status !== 200).length;
  screen.output(`${answers.length} orders since the kill, the slowest took ${slowest(answers)} ms`);
  // A handful would prove nothing.
  const seen = answers.length < ENOUGH ? `only ${answers.length} requests` : `${failed} failed`;
  stage.expect('agent dead', 'customer → web GET /orders, all along', '0 failed', seen);
}

function slowest(answers: readonly Answer[]): string {
  return Math.max(...answers.map(({ ms }) => ms)).toFixed(1);
}
