// SPDX-License-Identifier: Apache-2.0
import { closeSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseAddress } from '../core/identity/address.ts';
import { type Prefix, contains, parsePrefix } from '../core/identity/prefix.ts';
import type { LocalAttachment } from '../core/workload/workload.ts';
import type { InterfaceAddress, Native } from '../datapath/native.ts';

/** Where the workloads live, by workload key. */
export type Attachments = ReadonlyMap<string, LocalAttachment>;

/** What a look at this node and into the workloads' places found; a change of any of it asks for a new compilation. */
export interface Seen {
  /** Of this node, text. */
  readonly nodeAddresses: readonly string[];
  /** By workload key; absent: there is no such namespace. */
  readonly addresses: ReadonlyMap<string, readonly string[]>;
  /** Text that differs whenever something differs. */
  readonly fingerprint: string;
}

/** One look into a namespace. */
interface Look {
  /** Device and inode of the namespace: the path may come to lead to another one. */
  readonly place: string;
  readonly cookie: bigint;
  readonly addresses: readonly string[];
}

/** Who makes a namespace gives it its addresses one by one: a family that was missing may come this long after, ms. */
const SETTLING_MS = 3000;

/** Of so many namespaces subnets are remembered, also of those that nobody names: such a one may come back. */
const REMEMBERED = 4096;

/** Namespaces looked into at most each time that it is asked whether something changed. */
const AGAIN = 64;

/**
 * Looks into namespaces for their addresses. The first look at a namespace is believed, and the first addresses of
 * a family that it lacked, if they come within three seconds; those that appear later are believed inside the subnets of the first. Else a program that may configure its own namespace could
 * claim any address of the world as its own, and traffic to itself is never refused.
 */
export class AddressWatch {
  readonly #native: Native;
  readonly #cgroup: string;
  readonly #hostAddresses: () => readonly string[];
  /** Subnets of the first look, and when that was, by namespace cookie. */
  readonly #subnets = new Map<bigint, { readonly prefixes: Prefix[]; readonly since: number }>();

  #attachments: Attachments = new Map();
  /** By path; the one that waits longest for another look comes first. */
  readonly #looks = new Map<string, Look>();

  constructor(native: Native, cgroup: string, hostAddresses: () => readonly string[]) {
    this.#native = native;
    this.#cgroup = cgroup;
    this.#hostAddresses = hostAddresses;
  }

  /** Looks into those that it has not seen yet. */
  look(attachments: Attachments): Seen {
    this.#attachments = attachments;
    const paths = new Set([...attachments.values()].map(({ path }) => path));
    for (const path of this.#looks.keys()) if (!paths.has(path)) this.#looks.delete(path);
    return this.#see();
  }

  /** Looks into the same again, some at a time: an address that changed is found within seconds. */
  lookAgain(): Seen {
    for (const path of [...this.#looks.keys()].slice(0, AGAIN)) this.#looks.delete(path);
    return this.#see();
  }

  #see(): Seen {
    const attachments = this.#attachments;
    const addresses = new Map<string, readonly string[]>();
    const nodeAddresses = this.#hostAddresses();
    const parts = [nodeAddresses.toSorted().join(',')];
    const cookies = new Set<bigint>();
    for (const [key, attachment] of attachments) {
      if (attachment.type === 'cgroup') {
        parts.push(`${key}=${this.#cgroupId(attachment.path)}`);
        continue;
      }
      const seen = this.#lookInto(attachment.path);
      if (seen === undefined) continue;
      cookies.add(seen.cookie);
      addresses.set(key, seen.addresses);
      parts.push(`${key}=${String(seen.cookie)}:${seen.addresses.join(',')}`);
    }
    this.#forget(cookies);
    return { nodeAddresses, addresses, fingerprint: parts.join(';') };
  }

  /** Those that came first. */
  #forget(present: ReadonlySet<bigint>): void {
    for (const cookie of this.#subnets.keys()) {
      if (this.#subnets.size <= REMEMBERED) return;
      if (!present.has(cookie)) this.#subnets.delete(cookie);
    }
  }

  /** A cgroup that is made again has another id. */
  #cgroupId(path: string): string {
    try {
      return String(this.#native.cgroup.id(join(this.#cgroup, path)));
    } catch {
      return 'absent';
    }
  }

  #lookInto(path: string): Look | undefined {
    const place = placeOf(path);
    const known = this.#looks.get(path);
    if (known !== undefined && known.place === place) return known;
    this.#looks.delete(path);
    const look = place === undefined ? undefined : this.#lookAt(path, place);
    if (look !== undefined) this.#looks.set(path, look);
    return look;
  }

  #lookAt(path: string, place: string): Look | undefined {
    const { netns } = this.#native;
    let fd: number;
    try {
      fd = netns.open(path);
    } catch {
      return undefined;
    }
    try {
      const cookie = netns.cookie(fd);
      const found = netns.addresses(fd).filter((entry) => entry.interface !== 'lo');
      const believed = this.#believed(cookie, found);
      return { place, cookie, addresses: believed.map(({ address }) => address).sort() };
    } finally {
      closeSync(fd);
    }
  }

  #believed(cookie: bigint, found: readonly InterfaceAddress[]): readonly InterfaceAddress[] {
    const { prefixes: subnets, since } = this.#subnets.get(cookie) ?? {
      prefixes: [],
      since: performance.now(),
    };
    if (subnets.length === 0 || performance.now() - since < SETTLING_MS) {
      const fresh = found
        .map(({ address, prefixLength }) => parsePrefix(`${address}/${String(prefixLength)}`))
        .filter((prefix) => prefix !== undefined)
        .filter(({ family }) => subnets.every((subnet) => subnet.family !== family));
      subnets.push(...fresh);
      this.#subnets.set(cookie, { prefixes: subnets, since });
    }
    return found.filter(({ address: text }) => {
      const address = parseAddress(text);
      return address !== undefined && subnets.some((subnet) => contains(subnet, address));
    });
  }
}

function placeOf(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return undefined; // it leads nowhere
  }
}
