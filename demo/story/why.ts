// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../../test/support/lab.ts';
import type { Stage } from '../stage.ts';
import { forbiddenVisit } from './visits.ts';

const RULE = 'nobody-reads-customers';

export async function showWhy(stage: Stage): Promise<void> {
  const { screen } = stage;
  screen.step(
    'Why?',
    'The 403 carries a reference and nothing else: an intruder learns no rule. Whoever runs the shop looks it up.',
  );
  const attempt = forbiddenVisit.attempt(stage.shop, 4);
  screen.command(attempt.command);
  screen.output(attempt.said);
  const { reference = 'none' } = attempt;
  const command = ['observe', '--reference', reference, '--why'];
  // The record travels from the kernel to the agent's store meanwhile.
  await until(
    'the flow of the refused request',
    async () => (await stage.agent.cli(command)).status === 0,
    3000,
  ).catch(() => undefined);
  const { text } = await stage.cli(command);
  const line =
    1 +
    readFileSync(join(stage.config, 'access.yaml'), 'utf8')
      .split('\n')
      .findIndex((one) => one.includes(RULE));
  const place = `access.yaml:${line}`;
  stage.expect('why', 'the request was decided in the kernel', 'inline', pathIn(text, /\((\w+)\)/));
  stage.expect('why', `the refusal is traced to ${RULE}`, place, text.includes(place) ? place : 'elsewhere');
}

export async function showExplain(stage: Stage): Promise<void> {
  stage.screen.step(
    'What if?',
    'The same evaluator answers questions that nobody has asked the network yet. It ends with 0 for yes and 1 for no.',
  );
  const question = (method: string): string[] => [
    ...['explain', 'shop/intruder', 'shop/api', '--port', '8080', '--method', method, '--path', '/catalog'],
  ];
  const answerOf = (status: number | null): string =>
    status === 0 ? 'allowed' : status === 1 ? 'denied' : 'error';
  for (const [method, expected] of [
    ['GET', 'allowed'],
    ['DELETE', 'denied'],
  ] as const) {
    const { status, text } = await stage.cli(question(method));
    stage.expect('explain', `may the intruder ${method} /catalog?`, expected, answerOf(status));
    stage.expect('explain', `its path, ${method}`, 'inline', pathIn(text, /the connection is (\w+)/));
  }
}

function pathIn(text: string, pattern: RegExp): string {
  return pattern.exec(text)?.[1] ?? 'not said';
}
