// SPDX-License-Identifier: Apache-2.0
// Runs the tests of the named folders below test/ and closes with one summary over all of them.
// usage: test.ts FOLDER...
import { globSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import type { TestEvent } from 'node:test/reporters';

/** Privileged tests share the host's cgroup root and its processors: one file at a time. */
const serialFolders: ReadonlySet<string> = new Set(['bpf', 'netns', 'cluster']);
const parallelFiles = 2;
/** Milliseconds after which a file's process is killed and counts as failed; Node's own limit leaves it running. */
const fileTimeout = 300_000;
/** The same where kubelets start pods and rollouts are waited for. */
const clusterTimeout = 900_000;
/** A count in the closing summary of one run, such as `pass 12`. */
const countPattern = /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) (\d+(?:\.\d+)?)$/;

/** What the runs of all files add up to. */
interface Closing {
  readonly counts: Map<string, number>;
  /** Makes the reporter list the failures. */
  summary?: TestEvent;
}

/** The events of one file without its closing ones, which go to `closing`. */
async function runFile(file: string, closing: Closing): Promise<TestEvent[]> {
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
  return events;
}

/** Runs files `width` at a time and yields their events in the files' order, each file's together. */
async function* runFiles(
  files: readonly string[],
  width: number,
  closing: Closing,
): AsyncGenerator<TestEvent> {
  const running: Promise<TestEvent[]>[] = [];
  for (const file of files) {
    if (running.length === width) yield* (await running.shift()) ?? [];
    running.push(runFile(file, closing));
  }
  for (const events of running) yield* await events;
}

function filesOf(folders: readonly string[]): string[] {
  return folders.flatMap((folder) => globSync(`test/${folder}/**/*.test.ts`)).toSorted();
}

async function* runFolders(folders: readonly string[]): AsyncGenerator<TestEvent> {
  const closing: Closing = { counts: new Map() };
  const started = performance.now();
  const isSerial = (folder: string): boolean => serialFolders.has(folder);
  yield* runFiles(filesOf(folders.filter((folder) => !isSerial(folder))), parallelFiles, closing);
  yield* runFiles(filesOf(folders.filter(isSerial)), 1, closing);

  const count = (name: string): number => closing.counts.get(name) ?? 0;
  // A test that can't run has not held its promise, so a skipped one is a failure too.
  const broken = ['fail', 'cancelled', 'skipped', 'todo'].filter((name) => count(name) > 0);
  if (count('tests') === 0) process.stderr.write(`no tests below test/ in ${folders.join(', ')}\n`);
  if (count('tests') === 0 || broken.length > 0) process.exitCode = 1;
  closing.counts.set('duration_ms', Math.round(performance.now() - started));
  for (const [name, value] of closing.counts) {
    const data = { nesting: 0, message: `${name} ${String(value)}`, level: 'info' };
    yield { type: 'test:diagnostic', data } as TestEvent;
  }
  if (closing.summary !== undefined) yield closing.summary;
}

await pipeline(runFolders(process.argv.slice(2)), new spec(), process.stdout, { end: false });
