// SPDX-License-Identifier: Apache-2.0
import type { KernelRecord } from './record.ts';
import type { KernelReport } from './report.ts';

/** What a run says about one kernel. Failures end the test, notices ask for a look. */
export interface Findings {
  readonly failures: readonly string[];
  readonly notices: readonly string[];
}

/** A verifier's count may rise by this much: another patch level of the kernel counts a little differently. */
const TOLERANCE = 0.1;
/** Of a small program a tenth is one more branch: nothing against the verifier's limit of a million. */
const SMALL_RISE = 500;
const again = "if that is meant, run 'make record-kernels' and commit test/kernels";

function percent(before: number, now: number): string {
  return `${now > before ? '+' : ''}${Math.round((now / before - 1) * 100)}%`;
}

function compareInstructions(before: KernelRecord, report: KernelReport): Findings {
  const failures: string[] = [];
  const notices: string[] = [];
  for (const [program, count] of Object.entries(before.instructions)) {
    const now = report.instructions[program];
    if (now === undefined) {
      failures.push(`${program} does not load any more; ${again}`);
    } else if (now > count * (1 + TOLERANCE)) {
      const rise = `${program} costs the verifier more: ${count} to ${now} instructions (${percent(count, now)})`;
      if (now - count > SMALL_RISE) failures.push(`${rise}; make it simpler, or ${again}`);
      else notices.push(`${rise}; record it`);
    } else if (now < count * (1 - TOLERANCE)) {
      notices.push(
        `${program} costs the verifier less: ${count} to ${now} (${percent(count, now)}); record it`,
      );
    }
  }
  const fresh = Object.keys(report.instructions).filter((name) => before.instructions[name] === undefined);
  for (const program of fresh) notices.push(`${program} is not recorded yet: run 'make record-kernels'`);
  return { failures, notices };
}

function compareCapabilities(before: KernelRecord, report: KernelReport): string[] {
  return Object.entries(before.capabilities)
    .filter(([name, found]) => found !== null && (report.capabilities[name] ?? null) === null)
    .map(([name]) => `perigee check does not find ${name} any more; ${again}`);
}

/** What is wrong whatever was recorded. */
function faults(report: KernelReport): string[] {
  const rejected = Object.entries(report.rejected).map(([object, why]) => `${object} was not loaded: ${why}`);
  const missed = report.smoke
    .filter(({ expected, found }) => found !== expected)
    .map(({ step, expected, found }) => `${step}: expected ${expected}, found ${found}`);
  return [...rejected, ...missed];
}

/** Compares what a kernel did with what it did when it was recorded; undefined: it never was. */
export function compare(before: KernelRecord | undefined, report: KernelReport): Findings {
  const present = faults(report);
  if (before === undefined) {
    return { failures: present, notices: ["this kernel is not recorded yet: run 'make record-kernels'"] };
  }
  const { failures, notices } = compareInstructions(before, report);
  return { failures: [...present, ...compareCapabilities(before, report), ...failures], notices };
}
