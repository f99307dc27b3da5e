// SPDX-License-Identifier: Apache-2.0
import { closeSync } from 'node:fs';
import { join } from 'node:path';
import { parseAddress } from '../core/identity/address.ts';
import { type Prefix, contains, parsePrefix } from '../core/identity/prefix.ts';
import type { Attachment } from '../core/workload/workload.ts';
import type { InterfaceAddress, Native } from '../datapath/native.ts';

/** Where the workloads live, by workload key. */
export type Attachments = ReadonlyMap<string, Attachment>;

/** What a look into the workloads' places found; a change of any of it asks for a new compilation. */
export interface Seen {
  /** By workload key; absent: there is no such namespace. */
  readonly addresses: ReadonlyMap<string, readonly string[]>;
  /** Text that differs whenever something differs. */
  readonly fingerprint: string;
}

/**
 * Looks into namespaces for their addresses. The first look at a namespace is believed; addresses that appear
 * later are believed inside the subnets of the first. Else a program that may configure its own namespace could
 * claim any address of the world as its own, and traffic to itself is never refused.
 */
export class AddressWatch {
  readonly #native: Native;
  readonly #cgroup: string;
  /** Subnets of the first look, by namespace cookie. */
  readonly #subnets = new Map<bigint, readonly Prefix[]>();

  constructor(native: Native, cgroup: string) {
    this.#native = native;
    this.#cgroup = cgroup;
  }

  look(attachments: Attachments): Seen {
    const addresses = new Map<string, readonly string[]>();
    const parts: string[] = [];
    for (const [key, attachment] of attachments) {
      if (attachment.type === 'cgroup') {
        parts.push(`${key}=${this.#cgroupId(attachment.path)}`);
        continue;
      }
      const seen = this.#lookInto(attachment.path);
      if (seen === undefined) continue;
      addresses.set(key, seen.addresses);
      parts.push(`${key}=${String(seen.cookie)}:${seen.addresses.join(',')}`);
    }
    return { addresses, fingerprint: parts.join(';') };
  }

  /** A cgroup that is made again has another id. */
  #cgroupId(path: string): string {
    try {
      return String(this.#native.cgroup.id(join(this.#cgroup, path)));
    } catch {
      return 'absent';
    }
  }

  #lookInto(path: string): { cookie: bigint; addresses: string[] } | undefined {
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
      return { cookie, addresses: believed.map(({ address }) => address).sort() };
    } finally {
      closeSync(fd);
    }
  }

  #believed(cookie: bigint, found: readonly InterfaceAddress[]): readonly InterfaceAddress[] {
    const subnets = this.#subnets.get(cookie);
    if (subnets === undefined || subnets.length === 0) {
      const prefixes = found.map(({ address, prefixLength }) =>
        parsePrefix(`${address}/${String(prefixLength)}`),
      );
      this.#subnets.set(
        cookie,
        prefixes.filter((prefix) => prefix !== undefined),
      );
      return found;
    }
    return found.filter(({ address: text }) => {
      const address = parseAddress(text);
      return address !== undefined && subnets.some((subnet) => contains(subnet, address));
    });
  }
}
