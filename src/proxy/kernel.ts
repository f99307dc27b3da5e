// SPDX-License-Identifier: Apache-2.0
import { announcement, ending, steering, tupleKey } from '../core/abi/connection.ts';
import { ipcacheEntry, ipcacheKey } from '../core/abi/policy.ts';
import type { AddressOwner, Ending, Kernel, Steering, UpstreamNotice } from './ports.ts';

/** The part of a pinned map's handle that is used here. */
export interface MapHandle {
  lookup(key: Uint8Array): Uint8Array | undefined;
  update(key: Uint8Array, value: Uint8Array): void;
  delete(key: Uint8Array): boolean;
  lookupFd(fd: number): Uint8Array | undefined;
  updateFd(fd: number, value: Uint8Array): void;
}

/** The maps of bpf/lib that a worker uses, by their names there. */
export const workerMaps = ['steered', 'own_sockets', 'announcements', 'endings', 'ipcache'] as const;
export type WorkerMaps = Readonly<Record<(typeof workerMaps)[number], MapHandle>>;

const ADDRESS_BITS = 128;

/** The kernel's side of the proxy, over the pinned maps. Keys are built in place: one object per worker. */
export class PinnedKernel implements Kernel {
  private maps: WorkerMaps;
  private readonly tuple = new Uint8Array(tupleKey.size);
  private readonly own = new Uint8Array([1, 0, 0, 0]);
  private readonly addressKey = new Uint8Array(ipcacheKey.size);

  constructor(maps: WorkerMaps) {
    this.maps = maps;
    ipcacheKey.encode({ prefixLength: ADDRESS_BITS, address: new Uint8Array(16) }, this.addressKey);
  }

  /** The maps of another datapath. */
  use(maps: WorkerMaps): void {
    this.maps = maps;
  }

  readSteering(fd: number, into: Steering): boolean {
    const bytes = this.maps.steered.lookupFd(fd);
    if (bytes === undefined) return false;
    const { offset } = steering;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    into.clientCookieLow = view.getUint32(offset.clientCookie, true);
    into.clientCookieHigh = view.getUint32(offset.clientCookie + 4, true);
    into.address.set(bytes.subarray(offset.address, offset.address + 16));
    into.port = view.getUint16(offset.port, true);
    into.family = view.getUint8(offset.family);
    into.sourceWorkload = view.getUint32(offset.sourceWorkload, true);
    into.sourceIdentity = view.getUint32(offset.sourceIdentity, true);
    into.destinationWorkload = view.getUint32(offset.destinationWorkload, true);
    into.destinationIdentity = view.getUint32(offset.destinationIdentity, true);
    into.egressRule = view.getUint32(offset.egressRule, true);
    into.ingressRule = view.getUint32(offset.ingressRule, true);
    into.service = view.getUint32(offset.service, true);
    return true;
  }

  markOwn(fd: number): void {
    this.maps.own_sockets.updateFd(fd, this.own);
  }

  announce(notice: UpstreamNotice): void {
    this.maps.announcements.update(this.tupleOf(notice), announcement.encode(notice));
  }

  withdraw(notice: UpstreamNotice): void {
    this.maps.announcements.delete(this.tupleOf(notice));
  }

  tellEnding(connection: Uint8Array, why: Ending): void {
    try {
      this.maps.endings.update(connection, ending.encode(why));
    } catch {
      // No memory: it ends all the same, and the record of that has no reason.
    }
  }

  readOwner(address: Uint8Array, into: AddressOwner): void {
    this.addressKey.set(address, ipcacheKey.offset.address);
    const bytes = this.maps.ipcache.lookup(this.addressKey);
    into.identity = into.workload = 0;
    if (bytes === undefined) return;
    const entry = ipcacheEntry.decode(bytes);
    into.identity = entry.identity;
    into.workload = entry.workload;
  }

  private tupleOf(notice: UpstreamNotice): Uint8Array {
    return tupleKey.encode({ ...notice, netns: notice.serverNetns }, this.tuple);
  }
}
