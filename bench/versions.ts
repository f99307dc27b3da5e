// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const questions: readonly (readonly [program: string, command: readonly string[], pattern: RegExp])[] = [
  ['nginx', ['nginx', '-v'], /nginx\/(\S+)/],
  ['HAProxy', ['haproxy', '-v'], /version (\d[\d.]*)/],
  ['wrk', ['wrk', '-v'], /wrk (?:debian\/)?(\S+)/],
  ['curl', ['curl', '--version'], /curl (\S+)/],
];

/** Versions of the programs that take part; what is missing is left out. */
export function readVersions(): Readonly<Record<string, string>> {
  const versions: Record<string, string> = { Perigee: ownVersion(), 'Node.js': process.versions.node };
  for (const [program, [file = '', ...args], pattern] of questions) {
    const { stdout, stderr } = spawnSync(file, args, { encoding: 'utf8' });
    const version = pattern.exec(`${stdout}${stderr}`)?.[1];
    if (version !== undefined) versions[program] = version;
  }
  return versions;
}

function ownVersion(): string {
  const manifest = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}
