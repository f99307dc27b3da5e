// SPDX-License-Identifier: Apache-2.0
// Runs the tests of the named folders below test/ and closes with one summary over all of them.
// usage: test.ts FOLDER...
import { globSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import type { TestEvent } from 'node:test/reporters';

/**
 * How many files run at once. Tests of the kernel side mostly wait, and each has namespaces, a cgroup and pins of its own,
 * named after it; a cluster is there once.
 */
const widths: Readonly<Record<string, number>> = {
  bpf: 2 * availableParallelism(),
  netns: 2 * availableParallelism(),
  cluster: 1,
};
/** A line of a file that no other may run beside, with the reason. */
const alonePattern = /^\/\/ Runs alone: ./m;
/** Milliseconds after which a file's process is killed and counts as failed; Node's own limit leaves it running. */
const fileTimeout = 300_000;
/** The same where kubelets start pods and rollouts are waited for. */
const clusterTimeout = 900_000;
/** A count in the closing summary of one run, such as `pass 12`. */
const countPattern = /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) (\d+(?:\.\d+)?)$/;
/** Compiled modules, kept over processes: tests start hundreds of them from the sources. */
process.env['NODE_COMPILE_CACHE'] ??= resolve('build/compile-cache');
/** So many of the files that took longest are named at the end. */
const slowestFiles = 10;

/** What the runs of all files add up to. */
interface Closing {
  readonly counts: Map<string, number>;
  /** Seconds of each file. */
  readonly seconds: Map<string, number>;
  /** Makes the reporter list the failures. */
  summary?: TestEvent;
}

/** The events of one file without its closing ones, which go to `closing`. */
async function runFile(file: string, closing: Closing): Promise<TestEvent[]> {
  const started = performance.now();
  const events: TestEvent[] = [];
  const limit = file.startsWith('test/cluster/') ? clusterTimeout : fileTimeout;
  const stream: AsyncIterable<TestEvent> = run({ files: [file], signal: AbortSignal.timeout(limit) });
  for await (const event of stream) {
    const isDiagnostic = event.type === 'test:diagnostic' && event.data.nesting === 0;
    const [, name, value] = (isDiagnostic ? countPattern.exec(event.data.message) : null) ?? [];
    if (name !== undefined) {
      closing.counts.set(name, (closing.counts.get(name) ?? 0) + Number(value));
    } else if (event.type === 'test:summary') {
      if (event.data.file === undefined) closing.summary = event;
    } else {
      events.push(event);
    }
  }
  closing.seconds.set(file, (performance.now() - started) / 1000);
  return events;
}

/** Runs files `width` at a time; each file's events come together when it has ended. */
async function* runFiles(
  files: readonly string[],
  width: number,
  closing: Closing,
): AsyncGenerator<TestEvent> {
  const running = new Map<string, Promise<readonly [string, TestEvent[]]>>();
  const next = files.values();
  const start = (): void => {
    const { value: file } = next.next();
    if (file !== undefined)
      running.set(
        file,
        runFile(file, closing).then((events) => [file, events] as const),
      );
  };
  for (let count = 0; count < width; count += 1) start();
  while (running.size > 0) {
    const [file, events] = await Promise.race(running.values());
    running.delete(file);
    start();
    yield* events;
  }
}

/** Files that may run side by side, and how many at once. */
interface Group {
  readonly width: number;
  readonly files: readonly string[];
}

function groupsOf(folders: readonly string[]): Group[] {
  const alone: string[] = [];
  const beside = new Map<number, string[]>();
  for (const folder of folders) {
    const width = widths[folder] ?? availableParallelism();
    for (const file of globSync(`test/${folder}/**/*.test.ts`).toSorted()) {
      if (alonePattern.test(readFileSync(file, 'utf8'))) alone.push(file);
      else beside.set(width, [...(beside.get(width) ?? []), file]);
    }
  }
  return [...[...beside].map(([width, files]) => ({ width, files })), { width: 1, files: alone }];
}

function* closingEvents({ counts, seconds, summary }: Closing): Generator<TestEvent> {
  const say = (message: string): TestEvent => ({
    type: 'test:diagnostic',
    data: { nesting: 0, message, level: 'info' },
  });
  const slowest = [...seconds].toSorted(([, one], [, other]) => other - one).slice(0, slowestFiles);
  yield say('slowest files, seconds:');
  for (const [file, taken] of slowest) yield say(`${taken.toFixed(1).padStart(7)} ${file}`);
  for (const [name, value] of counts) yield say(`${name} ${String(value)}`);
  if (summary !== undefined) yield summary;
}

async function* runFolders(folders: readonly string[]): AsyncGenerator<TestEvent> {
  const closing: Closing = { counts: new Map(), seconds: new Map() };
  const started = performance.now();
  for (const { files, width } of groupsOf(folders)) yield* runFiles(files, width, closing);

  const count = (name: string): number => closing.counts.get(name) ?? 0;
  // A test that can't run has not held its promise, so a skipped one is a failure too.
  const broken = ['fail', 'cancelled', 'skipped', 'todo'].filter((name) => count(name) > 0);
  if (count('tests') === 0) process.stderr.write(`no tests below test/ in ${folders.join(', ')}\n`);
  if (count('tests') === 0 || broken.length > 0) process.exitCode = 1;
  closing.counts.set('duration_ms', Math.round(performance.now() - started));
  yield* closingEvents(closing);
}

await pipeline(runFolders(process.argv.slice(2)), new spec(), process.stdout, { end: false });
// What a file that was killed has left running may hold its pipes open.
process.exit();
