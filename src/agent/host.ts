// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, readlinkSync, readdirSync } from 'node:fs';
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

/** Inodes of the sockets that processes hold. Those that are gone hold none. */
export function socketInodes(pids: readonly number[]): ReadonlySet<number> {
  const inodes = new Set<number>();
  for (const pid of pids) {
    const folder = `/proc/${String(pid)}/fd`;
    for (const name of entriesOf(folder)) {
      const inode = socketInode(`${folder}/${name}`);
      if (inode !== undefined) inodes.add(inode);
    }
  }
  return inodes;
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function socketInode(path: string): number | undefined {
  try {
    const match = /^socket:\[(\d+)\]$/.exec(readlinkSync(path));
    return match?.[1] === undefined ? undefined : Number(match[1]);
  } catch {
    return undefined; // closed meanwhile
  }
}
