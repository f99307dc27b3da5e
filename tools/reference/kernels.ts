// SPDX-License-Identifier: Apache-2.0
import { capabilities } from '../../src/agent/check.ts';
import { kernelFeatures } from '../../src/datapath/features.ts';
import { type KernelRecord, readRecords } from '../kernels/record.ts';
import { markdownTable, page } from './markdown.ts';

type Recorded = readonly (readonly [series: string, record: KernelRecord])[];

function heading(first: readonly string[], records: Recorded): string[] {
  return [...first, ...records.map(([series]) => series)];
}

function foundOf(found: string | null | undefined): string {
  return found === undefined ? 'not recorded' : (found ?? 'no');
}

function capabilityTable(records: Recorded): string {
  const rows = capabilities.map(({ name, required, gives }) => [
    `\`${name}\``,
    gives,
    required ? 'yes' : 'no',
    ...records.map(([, record]) => foundOf(record.capabilities[name])),
  ]);
  return markdownTable(heading(['Capability', 'Gives', 'Required'], records), rows);
}

function programTable(records: Recorded): string {
  const programs = new Set(records.flatMap(([, { instructions }]) => Object.keys(instructions)));
  const rows = [...programs]
    .sort()
    .map((program) => [
      `\`${program}\``,
      ...records.map(([, { instructions }]) => String(instructions[program] ?? 'not loaded')),
    ]);
  return markdownTable(heading(['Program'], records), rows);
}

function featureTable(): string {
  const rows = Object.entries(kernelFeatures).map(([name, { without }]) => [`\`${name}\``, without]);
  return markdownTable(['Feature', 'Where it is missing'], rows);
}

export function kernelsPage(): string {
  const records = Object.entries(readRecords());
  const versions = records.map(([series, { version }]) => `${series} (${version})`).join(', ');
  return page('Kernels', 'src/agent/check.ts, src/datapath/features.ts and test/kernels', [
    'Perigee runs on Linux 6.1 and later with BTF. One build serves every kernel: programs are relocated when they ' +
      'are loaded, and the agent tries what a kernel can do (`perigee check` shows it) instead of comparing versions.',
    `CI boots Debian’s kernels ${versions} under emulation with \`make test-kernels\`: every program must load, the ` +
      'hooks must give their verdicts on real connections and datagrams, and no program may cost the verifier 10% ' +
      'more than was recorded, if that is more than 500 instructions.',
    '## What kernels can do',
    'What `perigee check` finds as root. A required capability that is missing keeps the agent from starting; policy ' +
      'is never in force by half.',
    capabilityTable(records),
    '## What programs adapt to',
    featureTable(),
    '## Instructions that the verifier walks',
    'Its limit is a million for one program. Older verifiers walk more of the same program.',
    programTable(records),
  ]);
}
