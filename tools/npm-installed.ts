// SPDX-License-Identifier: Apache-2.0
// Exits with 0 when node_modules holds exactly what package-lock.json says, by npm's own record of what it installed.
import { readFileSync } from 'node:fs';

interface LockedPackage {
  readonly version?: string;
  readonly integrity?: string;
  readonly optional?: boolean;
}

function readPackages(path: string): Map<string, LockedPackage> {
  const lock = JSON.parse(readFileSync(path, 'utf8')) as { packages: Record<string, LockedPackage> };
  return new Map(Object.entries(lock.packages).filter(([location]) => location !== ''));
}

function isInstalled(): boolean {
  const wanted = readPackages('package-lock.json');
  const present = readPackages('node_modules/.package-lock.json');
  for (const [location, locked] of wanted) {
    const found = present.get(location);
    // Optional packages are those of other platforms.
    if (found === undefined && locked.optional === true) continue;
    if (found?.version !== locked.version || found?.integrity !== locked.integrity) return false;
  }
  return [...present.keys()].every((location) => wanted.has(location));
}

try {
  process.exitCode = isInstalled() ? 0 : 1;
} catch {
  process.exitCode = 1;
}
