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
  if (value === undefined) throw new Error('the command ended before it served');
  return value;
}

/** A command that serves until it is interrupted. */
export interface Serving {
  /** The first line that it printed. */
  readonly said: string;
  end(): Promise<void>;
}

/** Starts `perigee ui`, or what leads to one. */
export async function serve(
  [program = '', ...args]: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<Serving> {
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const gone = new Promise((resolve) => child.once('exit', resolve));
  return {
    said: await firstLine(child),
    end: async () => {
      child.kill('SIGINT');
      await gone;
    },
  };
}

interface Look {
  readonly colorScheme?: 'light' | 'dark';
}

/** Starts a browser that looks at a page, whose address has the token. */
export async function openPage(url: string, { colorScheme = 'light' }: Look = {}): Promise<UiScene> {
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
    end: () => browser.close(),
  };
}

/** Starts `perigee ui` for the agent at a socket, and a browser that looks at it. */
export async function openUi(socket: string, look: Look = {}): Promise<UiScene> {
  const serving = await serve([perigee, 'ui', '--socket', socket, '--listen', '127.0.0.1:0']);
  const scene = await openPage(serving.said, look);
  return {
    ...scene,
    end: async () => {
      await scene.end();
      await serving.end();
    },
  };
}
