// SPDX-License-Identifier: Apache-2.0
// The page of `perigee ui` in a real browser (Debian's chromium-headless-shell).
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Browser, chromium, type Page } from 'playwright-core';

const perigee = join(import.meta.dirname, '../../bin/perigee');
/** Pictures of the last run, for people to look at. */
const pictures = join(import.meta.dirname, '../../build/screenshots');

export interface UiScene {
  readonly page: Page;
  readonly browser: Browser;
  /** With the token. */
  readonly url: string;
  /** What the page complained about: its console, its policies, its faults. */
  readonly complaints: readonly string[];
  picture(name: string): Promise<void>;
  end(): Promise<void>;
}

async function firstLine(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('the command has no pipe');
  const { value } = await createInterface(child.stdout)[Symbol.asyncIterator]().next();
  if (value === undefined) throw new Error('perigee ui ended before it served');
  return value;
}

/** Starts `perigee ui` for the agent at a socket, and a browser that looks at it. */
export async function openUi(
  socket: string,
  { colorScheme = 'light' }: { readonly colorScheme?: 'light' | 'dark' } = {},
): Promise<UiScene> {
  const args = ['ui', '--socket', socket, '--listen', '127.0.0.1:0'];
  const child = spawn(perigee, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const url = await firstLine(child);
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium-headless-shell',
    args: ['--no-sandbox'],
  });
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, colorScheme });
  page.setDefaultTimeout(20_000);
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.goto(url);
  mkdirSync(pictures, { recursive: true });
  return {
    ...{ page, browser, url, complaints },
    picture: async (name) => {
      await page.screenshot({ path: join(pictures, `${name}.png`) });
    },
    end: async () => {
      await browser.close();
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGINT');
      await gone;
    },
  };
}
