// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { fileURLToPath } from 'node:url';

/** Mount point of cgroup2, also in a hybrid hierarchy: the first one in /proc/mounts. */
export function findCgroup2(mounts: string = readFileSync('/proc/mounts', 'utf8')): string | undefined {
  const lines = mounts.split('\n').map((line) => line.split(' '));
  return lines.find(([, , type]) => type === 'cgroup2')?.[1];
}

/** Folder of the compiled programs: in a checkout, or beside a shipped bundle. */
export function findObjects(): string | undefined {
  const places = ['../../build/bpf', './bpf', '../bpf'].map((place) =>
    fileURLToPath(new URL(place, import.meta.url)),
  );
  return places.find((place) => existsSync(`${place}/connect.bpf.o`));
}

/** Addresses of this host, text. */
export function hostAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return all.filter((entry) => !entry.internal).map((entry) => entry.address.replace(/%.*$/, ''));
}
