// SPDX-License-Identifier: Apache-2.0
// Checks what no linter knows: the licence line of every source, marks of unfinished work, tests that don't run, and a
// lock file free of hosts. usage: check-house.ts [ROOT]
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Complaint {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

/** A pattern that no line of a matching file may have. */
interface Ban {
  readonly files: RegExp;
  readonly pattern: RegExp;
  readonly message: string;
}

const apache = 'SPDX-License-Identifier: Apache-2.0';
const dual = 'SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause';

const sources = [
  '{src,test,bench,demo,tools}/**/*.{ts,tsx,css,lua,sh,py,c,h,go}',
  'native/**/*.{cc,h,txt}',
  'bpf/**/*.{c,h}',
  'deploy/**/*.service',
  'bin/*',
  '.ci/*',
  '*.{js,cjs}',
  '.*.cjs',
  'Makefile',
];

// Written so that this file doesn't match itself.
const unfinished = new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X', 'HA' + 'CK'].join('|')})\\b`);

const bans: readonly Ban[] = [
  {
    files: /./,
    pattern: unfinished,
    message: 'unfinished: finish it, or say in words what holds and what does not',
  },
  { files: /./, pattern: /^(<{7}|>{7}) /, message: 'a merge conflict' },
  {
    files: /^test\/.*\.ts$/,
    pattern: /\b(test|it|describe|suite)\.(skip|only|todo)\(|[{,]\s*(skip|only|todo): /,
    message: 'every test runs, always',
  },
  {
    files: /\.ts$/,
    pattern: /@ts-(ignore|nocheck)|eslint-disable(?!.* -- )/,
    message: 'a silenced check without a reason; eslint takes one after " -- "',
  },
];

/** C below bpf/ and below test/bpf/ runs in the kernel, so it is under the kernel's licence as well. */
function licenceOf(path: string): string {
  return /^(test\/)?bpf\//.test(path) ? dual : apache;
}

function checkSource(path: string, text: string): Complaint[] {
  const lines = text.split('\n');
  const complaints: Complaint[] = [];
  const licence = /^test\/bpf\/.*\.ts$/.test(path) ? apache : licenceOf(path);
  // Below an interpreter line, if there is one.
  if (!lines.slice(0, 2).some((line) => line.includes(licence))) {
    complaints.push({ path, line: 1, message: `must begin with ${licence}` });
  }
  for (const ban of bans.filter(({ files }) => files.test(path))) {
    for (const [index, line] of lines.entries()) {
      if (ban.pattern.test(line)) complaints.push({ path, line: index + 1, message: ban.message });
    }
  }
  return complaints;
}

function checkLock(root: string): Complaint[] {
  const lines = readFileSync(join(root, 'package-lock.json'), 'utf8').split('\n');
  const message = 'names a host; .npmrc keeps them out with omit-lockfile-registry-resolved';
  return [...lines.entries()]
    .filter(([, line]) => line.includes('"resolved":'))
    .map(([index]) => ({ path: 'package-lock.json', line: index + 1, message }));
}

const root = process.argv[2] ?? '.';
const paths = [...new Set(globSync(sources, { cwd: root }))].toSorted();
const complaints = [
  ...paths.flatMap((path) => checkSource(path, readFileSync(join(root, path), 'utf8'))),
  ...checkLock(root),
];
for (const { path, line, message } of complaints) console.error(`${path}:${line} ${message}`);
console.log(`${paths.length} files, ${complaints.length} complaints`);
process.exitCode = complaints.length === 0 ? 0 : 1;
