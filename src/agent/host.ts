// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync } from 'node:fs';
import { hostname, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Mount point of cgroup2, also in a hybrid hierarchy: the first one in /proc/mounts. */
export function findCgroup2(mounts: string = readFileSync('/proc/mounts', 'utf8')): string | undefined {
  const lines = mounts.split('\n').map((line) => line.split(' '));
  return lines.find(([, , type]) => type === 'cgroup2')?.[1];
}

/** The cgroup2 hierarchy that a folder is part of, or that is mounted in it, as in a hybrid one. */
export function cgroup2In(folder: string): string {
  const unified = join(folder, 'unified');
  const isOne = (path: string): boolean => existsSync(join(path, 'cgroup.controllers'));
  return !isOne(folder) && isOne(unified) ? unified : folder;
}

/** Folder of the compiled programs: in a checkout, or beside a shipped bundle. */
export function findObjects(): string | undefined {
  const places = ['../../build/bpf', './bpf', '../bpf'].map((place) =>
    fileURLToPath(new URL(place, import.meta.url)),
  );
  return places.find((place) => existsSync(`${place}/connect.bpf.o`));
}

/** What the cluster calls this host. */
export function nodeName(settings: { readonly nodeName: string }): string {
  return settings.nodeName === '' ? hostname() : settings.nodeName;
}

/** Addresses of this host, text. */
export function hostAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return all.filter((entry) => !entry.internal).map((entry) => entry.address.replace(/%.*$/, ''));
}
