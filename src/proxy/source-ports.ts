// SPDX-License-Identifier: Apache-2.0

/** Linux's default of net.ipv4.ip_local_port_range. connect() prefers its even ports: these are the odd ones. */
const FIRST_PORT = 32_769;
const PORTS = 14_116;

/**
 * Chooses local ports for upstream sockets, per namespace and address, in turn. The port must be known before connect(),
 * and bind() to port 0 searches the whole range when many ports are in TIME_WAIT, up to a millisecond a socket. A port
 * that was bound explicitly may follow a TIME_WAIT of its own at once (RFC 6191), so a turn can't be too short.
 */
export class SourcePorts {
  private readonly positions = new Map<string, number>();
  private readonly random: () => number;

  /** @param random from 0 to 1: where a turn begins, so that several workers don't go in step */
  constructor(random: () => number) {
    this.random = random;
  }

  next(netnsFd: number, address: string): number {
    const key = `${netnsFd}/${address}`;
    const position = this.positions.get(key) ?? Math.floor(this.random() * PORTS);
    this.positions.set(key, (position + 1) % PORTS);
    return FIRST_PORT + position * 2;
  }
}
