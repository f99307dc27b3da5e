// SPDX-License-Identifier: Apache-2.0
import type { Reactor } from '../core/port/reactor.ts';
import type { Kernel, SocketFactory, UpstreamNotice } from './ports.ts';
import type { Route } from './route.ts';
import type { Session } from './session.ts';

/** errno of connect(): the local port that was chosen is in use to this very destination. Another one will do. */
export const EADDRNOTAVAIL = 99;
/** How often another port is tried. */
export const PORT_CHANGES = 3;

/** A connection to a server, from its socket to its close; it may serve several clients one after another. */
export class Upstream {
  readonly slot: number;
  readonly route: Route;
  /** There until the kernel or we have taken the announcement back. */
  notice: UpstreamNotice | null;
  isOpen = false;
  /** Requests that were sent on it. */
  requests = 0;

  constructor(slot: number, route: Route, notice: UpstreamNotice | null) {
    this.slot = slot;
    this.route = route;
    this.notice = notice;
  }
}

/** Opens connections to servers in the namespace that the route names. */
export class Upstreams {
  private readonly reactor: Reactor;
  private readonly kernel: Kernel;
  private readonly sockets: SocketFactory;

  constructor(reactor: Reactor, kernel: Kernel, sockets: SocketFactory) {
    this.reactor = reactor;
    this.kernel = kernel;
    this.sockets = sockets;
  }

  /** Starts to connect; undefined if not even a socket could be had (no ports, no such address, namespace gone). */
  open(session: Session): Upstream | undefined {
    const { route } = session;
    let fd = -1;
    try {
      const socket = this.sockets.openBound(route.listener.netnsFd, route.family, route.sourceText);
      fd = socket.fd;
      this.kernel.markOwn(fd);
      const notice = this.announce(session, fd, socket.port);
      const slot = this.reactor.adopt(fd);
      this.reactor.connect(slot, route.destinationAddress, route.destinationPort, route.family);
      return new Upstream(slot, route, notice);
    } catch {
      if (fd >= 0) this.sockets.close(fd);
      return undefined;
    }
  }

  /** The server won't see this connection: its announcement must not wait for another one with its addresses. */
  connectFailed(upstream: Upstream): void {
    if (upstream.notice !== null) this.kernel.withdraw(upstream.notice);
    upstream.notice = null;
  }

  connected(upstream: Upstream): void {
    upstream.notice = null;
    upstream.isOpen = true;
  }

  private announce(session: Session, fd: number, port: number): UpstreamNotice | null {
    const { route } = session;
    if (route.serverNetns === 0n) return null;
    const notice: UpstreamNotice = {
      serverNetns: route.serverNetns,
      sourceAddress: route.sourceAddress,
      sourcePort: port,
      destinationAddress: route.destinationAddress,
      destinationPort: route.destinationPort,
      clientAddress: session.clientAddress,
      clientPort: session.clientPort,
      clientIdentity: route.sourceIdentity,
      proxyCookie: this.sockets.cookie(fd),
    };
    this.kernel.announce(notice);
    return notice;
  }
}
