// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { boot, type Ended } from '../../tools/kernels/boot.ts';
import { compare } from '../../tools/kernels/compare.ts';
import { type KernelReport, parseReport } from '../../tools/kernels/report.ts';

const report: KernelReport = {
  version: '6.1.192-2',
  instructions: { 'connect/connect4': 10000, 'sockops/tcp_lifecycle': 500 },
  rejected: {},
  capabilities: { btf: '/sys/kernel/btf/vmlinux', 'close-connections': null },
  smoke: [{ step: 'a refused connection', expected: 'EPERM', found: 'EPERM' }],
};

const failuresOf = (now: Partial<KernelReport>): readonly string[] =>
  compare(report, { ...report, ...now }).failures;

test('what was recorded passes, and so does a rise of a tenth', () => {
  assert.deepEqual(compare(report, report), { failures: [], notices: [] });
  assert.deepEqual(failuresOf({ instructions: { ...report.instructions, 'connect/connect4': 11000 } }), []);
});

test('a rise above a tenth fails and names the program, both counts and the way to record it', () => {
  const [failure = ''] = failuresOf({ instructions: { ...report.instructions, 'connect/connect4': 11001 } });
  assert.match(failure, /^connect\/connect4 .*10000 to 11001 instructions \(\+10%\).*make record-kernels/);
});

test('a small program may grow by a branch, and asks to be recorded', () => {
  const grown = (count: number): Partial<KernelReport> => ({
    instructions: { ...report.instructions, 'sockops/tcp_lifecycle': count },
  });
  assert.deepEqual(failuresOf(grown(1000)), []);
  assert.match(compare(report, { ...report, ...grown(1000) }).notices.join(), /500 to 1000.*record it/);
  assert.equal(failuresOf(grown(1001)).length, 1);
});

test('a program that does not load where it did fails, with the verifier’s reason', () => {
  const failures = failuresOf({
    instructions: { 'connect/connect4': 10000 },
    rejected: { sockops: 'unknown func bpf_get_netns_cookie#122' },
  });
  assert.match(failures.join('\n'), /^sockops was not loaded: unknown func bpf_get_netns_cookie#122$/m);
  assert.match(failures.join('\n'), /^sockops\/tcp_lifecycle does not load any more/m);
});

test('a new kernel still fails for a program that it refuses', () => {
  const { failures } = compare(undefined, { ...report, rejected: { connect: 'too complex' } });
  assert.deepEqual(failures, ['connect was not loaded: too complex']);
});

test('a lost capability fails, one that never was does not', () => {
  const failures = failuresOf({ capabilities: { btf: null, 'close-connections': null } });
  assert.equal(failures.length, 1);
  assert.match(failures[0] ?? '', /btf/);
});

test('a wrong verdict fails whatever the counts say', () => {
  const smoke = [{ step: 'a refused connection', expected: 'EPERM', found: 'ok' }];
  assert.deepEqual(failuresOf({ smoke }), ['a refused connection: expected EPERM, found ok']);
});

test('a program that is not recorded, or costs far less, asks to be recorded', () => {
  const instructions = { 'connect/connect4': 8000, 'sockops/tcp_lifecycle': 500, 'inline/request': 9 };
  const { failures, notices } = compare(report, { ...report, instructions });
  assert.deepEqual(failures, []);
  assert.match(notices.join('\n'), /connect4 costs the verifier less.*\n.*inline\/request is not recorded/);
});

test('a guest’s report is one line of the agreed form, or a fault', () => {
  const line = JSON.stringify(report);
  assert.deepEqual(parseReport(`${line}\n`), report);
  assert.throws(() => parseReport(''), /no report/);
  assert.throws(() => parseReport(`${line}\n${line}\n`), /2 lines/);
  assert.throws(() => parseReport(line.slice(0, -1)), SyntaxError);
  assert.throws(() => parseReport(JSON.stringify({ ...report, more: 1 })), /more/);
  assert.throws(() => parseReport(JSON.stringify({ ...report, instructions: { a: -1 } })), /instructions/);
});

/** Boots with a script in place of the emulator. */
async function bootWith(script: string, timeout: number): Promise<Ended> {
  const output = mkdtempSync(join(tmpdir(), 'perigee-boot-'));
  const emulator = join(output, 'emulator');
  writeFileSync(emulator, `#!/bin/sh\n${script}\n`);
  chmodSync(emulator, 0o755);
  try {
    return await boot({ kernel: '/k', initramfs: '/i', program: 'p.js', output, timeout, emulator });
  } finally {
    rmSync(output, { recursive: true });
  }
}

test('a guest that hangs is ended after its time, and what it said is kept', async () => {
  const ended = await bootWith('echo stuck >"$(dirname "$0")/console.log"; exec sleep 600', 3000);
  assert.equal(ended.complete, false);
  assert.match(ended.console, /^stuck$/m);
});

test('an emulator that can’t start says why', async () => {
  const ended = await bootWith('echo no such image >&2; exit 1', 10_000);
  assert.equal(ended.complete, false);
  assert.match(ended.console, /no such image/);
});
