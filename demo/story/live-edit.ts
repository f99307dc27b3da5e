// SPDX-License-Identifier: Apache-2.0
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Loop } from '../loop.ts';
import { urlOf } from '../probe.ts';
import { API_PORT } from '../shop.ts';
import type { Stage } from '../stage.ts';

const RULE = '- name: all-of-the-shop-reads-the-catalog';
const OPEN = 'from: [{podSelector: {}}]';
const CLOSED = 'from: [{podSelector: {matchLabels: {app: web}}}]';

/** Longest wait for a verdict to flip, ms. */
const PATIENCE_MS = 5000;

/** One rule is edited and edited back while the intruder reads the catalog over one open connection. */
export async function showLiveEdit(stage: Stage): Promise<void> {
  const { screen, shop, config } = stage;
  screen.step(
    'A rule edited live',
    `The intruder reads the catalog every 5 ms over one connection while ${join(config, 'access.yaml')} is edited:\n` +
      'from now on the catalog is for web only.',
  );
  const loop = new Loop(shop.customer(shop.intruder, urlOf(shop.api.address4, API_PORT, '/catalog'), 5));
  await loop.begun();
  await flip(stage, loop, { from: OPEN, to: CLOSED, status: 403, what: 'for web only' });
  screen.say('\nAnd back:\n');
  const since = await flip(stage, loop, { from: CLOSED, to: OPEN, status: 200, what: 'for all again' });
  const lost = loop.since(since).filter(({ status }) => status === 0).length;
  stage.expect('live edit', 'requests without an answer', '0', String(lost));
  loop.end();
}

interface Edit {
  readonly from: string;
  readonly to: string;
  readonly status: number;
  readonly what: string;
}

async function flip(stage: Stage, loop: Loop, { from, to, status, what }: Edit): Promise<number> {
  const { screen } = stage;
  const file = join(stage.config, 'access.yaml');
  const text = readFileSync(file, 'utf8');
  const edited = replaceAfter(text, RULE, from, to);
  screen.removed(from);
  screen.added(to);
  // A rename, as editors do: the agent never sees half a file.
  writeFileSync(`${file}.new`, edited);
  renameSync(`${file}.new`, file);
  const moment = Date.now();
  const answer = await loop.first(status, moment, PATIENCE_MS);
  const seen = answer === undefined ? `no ${status}` : String(answer.status);
  stage.expect('live edit', `intruder → api GET /catalog, ${what}`, String(status), seen);
  if (answer !== undefined) screen.output(`${Math.max(0, answer.at - moment)} ms after the file was saved`);
  return moment;
}

/** Replaces the first occurrence after a mark. */
function replaceAfter(text: string, mark: string, from: string, to: string): string {
  const at = text.indexOf(from, text.indexOf(mark));
  if (at === -1) throw new Error(`${mark} has no ${from}`);
  return text.slice(0, at) + to + text.slice(at + from.length);
}
