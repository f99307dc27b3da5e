// SPDX-License-Identifier: Apache-2.0
import type { SocketFactory } from './ports.ts';
import type { SourcePorts } from './source-ports.ts';

type Family = 4 | 6;

/** The part of the addon that is used here. */
export interface HostNouns {
  readonly sockets: {
    openStream(options: { netnsFd: number | null; family: Family; bindAddress: string; bindPort: number }): {
      readonly fd: number;
      readonly localPort?: number;
    };
    localInto(fd: number, bytes: Uint8Array): number;
    peerInto(fd: number, bytes: Uint8Array): number;
    sourceFor(options: { netnsFd: number | null; family: Family; address: string }): string;
    cookie(fd: number): bigint;
    close(fd: number): void;
  };
}

const EADDRINUSE = 98;
const PORT_TRIES = 16;

/** Sockets of the host, in whatever namespace. */
export class HostSockets implements SocketFactory {
  private readonly host: HostNouns;
  private readonly ports: SourcePorts;

  constructor(host: HostNouns, ports: SourcePorts) {
    this.host = host;
    this.ports = ports;
  }

  openBound(netnsFd: number, family: Family, address: string): { fd: number; port: number } {
    for (let attempt = 0; attempt < PORT_TRIES; attempt++) {
      const port = this.ports.next(netnsFd, address);
      try {
        return { fd: this.openAt(netnsFd, family, address, port).fd, port };
      } catch (error) {
        if ((error as { errno?: number }).errno !== EADDRINUSE) throw error;
      }
    }
    const { fd, localPort } = this.openAt(netnsFd, family, address, 0);
    return { fd, port: localPort ?? 0 };
  }

  sourceFor(netnsFd: number, family: Family, destination: string): string {
    return this.host.sockets.sourceFor({ netnsFd, family, address: destination });
  }

  localInto(fd: number, bytes: Uint8Array): number {
    return this.host.sockets.localInto(fd, bytes);
  }

  peerInto(fd: number, bytes: Uint8Array): number {
    return this.host.sockets.peerInto(fd, bytes);
  }

  cookie(fd: number): bigint {
    return this.host.sockets.cookie(fd);
  }

  close(fd: number): void {
    this.host.sockets.close(fd);
  }

  private openAt(
    netnsFd: number,
    family: Family,
    bindAddress: string,
    bindPort: number,
  ): { readonly fd: number; readonly localPort?: number } {
    return this.host.sockets.openStream({ netnsFd, family, bindAddress, bindPort });
  }
}
