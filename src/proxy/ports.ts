// SPDX-License-Identifier: Apache-2.0
// What the proxy's core needs from the kernel. The composition root binds these to the addon; tests fake them.

/** The kernel's word on an accepted connection (struct steering), decoded. Reused from call to call. */
export interface Steering {
  /** Socket cookie of the client's socket, little end first. */
  clientCookieLow: number;
  clientCookieHigh: number;
  /** Original destination, 16 bytes, IPv4 mapped. */
  readonly address: Uint8Array;
  /** Host byte order. */
  port: number;
  family: number;
  sourceWorkload: number;
  sourceIdentity: number;
  /** 0: not on this node. */
  destinationWorkload: number;
  destinationIdentity: number;
  egressRule: number;
  ingressRule: number;
  /** Numeric name of the Service that was asked for, 0: none. */
  service: number;
}

/** A connection that the proxy is about to open to a workload of this node. */
export interface UpstreamNotice {
  /** The server's namespace, SO_NETNS_COOKIE. */
  readonly serverNetns: bigint;
  readonly sourceAddress: Uint8Array;
  readonly sourcePort: number;
  readonly destinationAddress: Uint8Array;
  readonly destinationPort: number;
  /** Whom getpeername() shows. */
  readonly clientAddress: Uint8Array;
  readonly clientPort: number;
  readonly clientIdentity: number;
  readonly proxyCookie: bigint;
}

/** Identity of an address; reused from call to call. */
export interface AddressOwner {
  identity: number;
  workload: number;
}

/** Why the proxy ends a connection of a client. */
export interface Ending {
  readonly egressRule: number;
  readonly ingressRule: number;
  /** enum reason. */
  readonly reason: number;
  /** enum verdict. */
  readonly verdict: number;
}

/** The pinned maps that bind the proxy to the datapath. */
export interface Kernel {
  /** False: the kernel didn't steer this connection here, so nobody may use it. */
  readSteering(fd: number, into: Steering): boolean;
  /** Marks a socket as the proxy's own, so that the connect hook lets it through. */
  markOwn(fd: number): void;
  announce(notice: UpstreamNotice): void;
  /** Takes an announcement back after a failed connect. */
  withdraw(notice: UpstreamNotice): void;
  /** For the record of the connection's close; to be said before. `connection`: its number in records, 8 bytes. */
  tellEnding(connection: Uint8Array, ending: Ending): void;
  /** Longest-prefix match of an address; identity 0 if there is none. */
  readOwner(address: Uint8Array, into: AddressOwner): void;
}

/** Sockets in other network namespaces. */
export interface SocketFactory {
  /** A non-blocking TCP socket bound to an address and a port of the kernel's choice. */
  openBound(netnsFd: number, family: 4 | 6, address: string): { readonly fd: number; readonly port: number };
  /** The source address that routing picks in that namespace for a destination. */
  sourceFor(netnsFd: number, family: 4 | 6, destination: string): string;
  /** Writes the address that an accepted socket has itself, 16 bytes, IPv4 mapped; its port, host byte order. */
  localInto(fd: number, bytes: Uint8Array): number;
  /** The same of its peer. */
  peerInto(fd: number, bytes: Uint8Array): number;
  cookie(fd: number): bigint;
  close(fd: number): void;
}

/** Clock of a turn: read once per batch of events. */
export interface Clock {
  /** CLOCK_MONOTONIC, ns, as a double (exact to 2 ns for 208 days of uptime). */
  nowNs(): number;
}
