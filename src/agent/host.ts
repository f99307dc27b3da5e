// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, statfsSync } from 'node:fs';
import { hostname, networkInterfaces } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAddress } from '../core/identity/address.ts';
import { isLinkLocal } from '../core/policy/address-book.ts';
import { PerigeeError } from '../lib/errors.ts';

/** Mount point of cgroup2, also in a hybrid hierarchy: the first one in /proc/mounts. */
export function findCgroup2(mounts: string = readFileSync('/proc/mounts', 'utf8')): string | undefined {
  const lines = mounts.split('\n').map((line) => line.split(' '));
  return lines.find(([, , type]) => type === 'cgroup2')?.[1];
}

/** Of bpffs, as statfs tells it. */
const BPF_FS_MAGIC = 0xcafe4a11;

/** In a container: what is pinned on a file system of the container's own would be lost with it. */
export function requireBpffs(pinRoot: string): void {
  const folder = dirname(pinRoot);
  if (existsSync(folder) && statfsSync(folder).type === BPF_FS_MAGIC) return;
  throw new PerigeeError(
    'ERR_BPFFS_MISSING',
    `${folder} of the node is no bpffs: nothing would outlive this pod`,
    {
      object: folder,
      hint: 'on the node: mount -t bpf bpf /sys/fs/bpf (systemd does so at boot); then this pod starts by itself',
    },
  );
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

/** Addresses of this host, text. Those that mean another on each link are nobody's, and come with each pod's device. */
export function hostAddresses(interfaces = networkInterfaces()): string[] {
  const all = Object.values(interfaces).flatMap((list) => list ?? []);
  const outside = all.filter(({ internal }) => !internal).map(({ address }) => address.replace(/%.*$/, ''));
  return outside.filter((text) => {
    const address = parseAddress(text);
    return address !== undefined && !isLinkLocal(address);
  });
}
