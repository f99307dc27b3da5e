// SPDX-License-Identifier: Apache-2.0
// Boots other kernels under emulation, loads every program there and compares with what was recorded.
// usage: test-kernels.ts [--record] [--cache FOLDER] [--file TEST]... SERIES...
//   --record  write what was found to test/kernels
//   --file    run a test file there instead, such as test/netns/hooks.test.ts
import { mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Ended, boot } from './kernels/boot.ts';
import { compare } from './kernels/compare.ts';
import { concatenate, makeModules, makeRoot } from './kernels/initramfs.ts';
import { type KernelRecord, readRecords, writeRecords } from './kernels/record.ts';
import { parseReport } from './kernels/report.ts';
import { messageOf } from '../src/lib/errors.ts';

/** A boot takes half a minute; on a busy machine several times that. */
const TIMEOUT_MS = 600_000;
const CONSOLE_LINES = 40;
const guest = 'test/kernels/guest.ts';

const indent = (text: string): string => text.trimEnd().replaceAll(/^/gm, '    ');

/** A failed kernel: what was wrong and, where the guest can't say, how its console ends. */
function fail(series: string, messages: readonly string[], ended?: Ended): void {
  process.exitCode = 1;
  for (const message of messages) console.log(`✖ Linux ${series}: ${message}`);
  if (ended !== undefined) console.log(indent(ended.console.split('\n').slice(-CONSOLE_LINES).join('\n')));
}

async function start(cache: string, series: string, program: string): Promise<Ended> {
  const kernel = join(cache, series);
  const output = join(cache, 'output', series);
  mkdirSync(output, { recursive: true });
  const modules = join(output, 'modules.cpio');
  const initramfs = join(output, 'initramfs.cpio');
  makeModules(modules, join(output, 'modules'), kernel);
  concatenate([join(cache, 'root.cpio'), modules], initramfs);
  const built = program.replace(/\.ts$/, '.js');
  return boot({ kernel, initramfs, program: built, output, timeout: TIMEOUT_MS });
}

/** Compares what the guest program found with what was recorded, if anything counts; gives it back to be recorded. */
function judge(series: string, ended: Ended, before: KernelRecord | undefined): KernelRecord {
  const { version, instructions, capabilities, ...rest } = parseReport(ended.output);
  const { failures, notices } = compare(before, { version, instructions, capabilities, ...rest });
  const counts = Object.values(instructions);
  const total = counts.reduce((sum, count) => sum + count, 0);
  console.log(
    `Linux ${series} (${version}): ${counts.length} programs, ${total} instructions, ${ended.seconds} s`,
  );
  if (!values.record) for (const notice of notices) console.log(`! Linux ${series}: ${notice}`);
  if (failures.length > 0) fail(series, failures, ended);
  return { version, instructions, capabilities };
}

/** Runs a test file; its own report is what is shown. */
function show(series: string, ended: Ended): void {
  console.log(`Linux ${series}, ${ended.seconds} s`);
  console.log(indent(ended.output));
  if (!/^ended with 0$/m.test(ended.console)) fail(series, ['the test failed'], ended);
}

const { values, positionals } = parseArgs({
  options: {
    record: { type: 'boolean', default: false },
    cache: { type: 'string', default: 'build/kernels' },
    file: { type: 'string', multiple: true, default: [] },
  },
  allowPositionals: true,
});
const { cache, file: files } = values;
const programs = files.length > 0 ? files : [guest];
const records = { ...readRecords() };

/** What is printed of a kernel is printed together, when it has ended. */
async function tryKernel(series: string): Promise<void> {
  for (const program of programs) {
    let ended: Ended | undefined;
    try {
      ended = await start(cache, series, program);
      if (!ended.complete)
        throw new Error(`it did not power off within ${TIMEOUT_MS / 1000} s; its console ends with`);
      if (program === guest)
        records[series] = judge(series, ended, values.record ? undefined : records[series]);
      else show(series, ended);
    } catch (error) {
      fail(series, [messageOf(error)], ended);
    }
  }
}

await makeRoot(join(cache, 'root.cpio'), join(cache, 'root'), programs);
const waiting = positionals.values();
// An emulated kernel keeps one processor busy.
await Promise.all(
  Array.from({ length: availableParallelism() }, async () => {
    for (const series of waiting) await tryKernel(series);
  }),
);
if (values.record && process.exitCode === undefined) writeRecords(records);
