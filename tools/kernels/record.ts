// SPDX-License-Identifier: Apache-2.0
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { KernelReport } from './report.ts';

/** What one kernel did when it was recorded. */
export type KernelRecord = Pick<KernelReport, 'version' | 'instructions' | 'capabilities'>;
/** By series. */
export type Records = Readonly<Record<string, KernelRecord>>;

type Facts<Name extends keyof KernelRecord> = Record<string, KernelRecord[Name]>;

const root = join(import.meta.dirname, '../..');
/** Counts change with the programs, capabilities with the kernels: each has its own history. */
const instructionsFile = join(root, 'test/kernels/instructions.json');
const capabilitiesFile = join(root, 'test/kernels/capabilities.json');

interface CapabilitiesFile {
  readonly versions: Facts<'version'>;
  readonly capabilities: Facts<'capabilities'>;
}

const sorted = <Value>(facts: Readonly<Record<string, Value>>): Record<string, Value> =>
  Object.fromEntries(Object.entries(facts).sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true })));

function json(path: string): unknown {
  return JSON.parse(readFileSync(path, 'utf8'));
}

export function readRecords(): Records {
  const instructions = json(instructionsFile) as Facts<'instructions'>;
  const { versions, capabilities } = json(capabilitiesFile) as CapabilitiesFile;
  return Object.fromEntries(
    Object.entries(versions).map(([series, version]) => [
      series,
      { version, instructions: instructions[series] ?? {}, capabilities: capabilities[series] ?? {} },
    ]),
  );
}

export function writeRecords(records: Records): void {
  const facts = <Name extends keyof KernelRecord>(name: Name): Facts<Name> =>
    sorted(Object.fromEntries(Object.entries(records).map(([series, record]) => [series, record[name]])));
  const write = (path: string, value: unknown): void =>
    writeFileSync(path, `${JSON.stringify(value, undefined, 2)}\n`);
  const instructions = Object.entries(facts('instructions')).map(([series, counts]) => [
    series,
    sorted(counts),
  ]);
  write(instructionsFile, Object.fromEntries(instructions));
  write(capabilitiesFile, { versions: facts('version'), capabilities: facts('capabilities') });
}
