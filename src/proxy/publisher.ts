// SPDX-License-Identifier: Apache-2.0
import { listenerKey } from '../core/abi/connection.ts';
import { direction } from '../core/abi/policy.ts';

/** The maps by which the kernel finds the proxy's listeners. */
export interface PublisherMaps {
  readonly own_sockets: { updateFd(fd: number, value: Uint8Array): void };
  readonly listeners: { updateSocket(key: Uint8Array, fd: number): void };
  readonly outbound_ports: {
    lookup(key: Uint8Array): Uint8Array | undefined;
    update(key: Uint8Array, value: Uint8Array): void;
    delete(key: Uint8Array): boolean;
  };
}

/** Value of the mark. */
const OWN = new Uint8Array([1, 0, 0, 0]);

/** Tells the kernel where a namespace's listeners are. Overwriting is how a new proxy takes over from an old one. */
export class Publisher {
  private readonly maps: PublisherMaps;

  constructor(maps: PublisherMaps) {
    this.maps = maps;
  }

  /** The listener that sk_lookup gives connections of a family to. Its entry goes with the socket. */
  inbound(netns: bigint, family: 4 | 6, fd: number): void {
    this.markOwn(fd);
    const key = listenerKey.encode({ netns, family, direction: direction.ingress });
    this.maps.listeners.updateSocket(key, fd);
  }

  /** A listener that the connect hook steers a family to; without its entry nothing is steered there. */
  outbound(netns: bigint, family: 4 | 6, fd: number): void {
    this.markOwn(fd);
    const key = listenerKey.encode({ netns, family, direction: direction.egress });
    this.maps.listeners.updateSocket(key, fd);
  }

  /** What a marked listener accepts is marked, too: no policy change closes it over the proxy's head. */
  private markOwn(fd: number): void {
    this.maps.own_sockets.updateFd(fd, OWN);
  }

  /** The port of the outbound listeners: from here on connections are steered to it. */
  port(netns: bigint, port: number): void {
    this.maps.outbound_ports.update(netnsKey(netns), portValue(port));
  }

  /** Takes the port back, unless another proxy has put its own there. */
  withdraw(netns: bigint, port: number): void {
    const key = netnsKey(netns);
    const value = this.maps.outbound_ports.lookup(key);
    if (value !== undefined && Buffer.compare(value, portValue(port)) === 0)
      this.maps.outbound_ports.delete(key);
  }
}

function netnsKey(netns: bigint): Buffer {
  const key = Buffer.alloc(8);
  key.writeBigUInt64LE(netns);
  return key;
}

function portValue(port: number): Buffer {
  const value = Buffer.alloc(4);
  value.writeUInt32LE(port);
  return value;
}
