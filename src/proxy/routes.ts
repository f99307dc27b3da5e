// SPDX-License-Identifier: Apache-2.0
import { addressKey, familyOf, formatAddressBytes, parseAddressBytes } from './address.ts';
import type { Counters } from './counters.ts';
import type { Shares } from './limits.ts';
import type { SocketFactory } from './ports.ts';
import { Route, type Listener } from './route.ts';

/** The parties as the kernel names them. */
export interface RouteParties {
  readonly sourceWorkload: number;
  readonly sourceIdentity: number;
  readonly destinationWorkload: number;
  readonly destinationIdentity: number;
  /** Of the destination. */
  readonly port: number;
}

/** Names and namespaces of this node's governed workloads. */
export interface WorkloadFacts {
  /** `namespace/name`. */
  readonly name: string;
  readonly netnsCookie: bigint;
  /** Its identity as of now. */
  readonly identity: number;
  /** Those of all its addresses. */
  readonly identities: readonly number[];
}

/** More than this many at once can only be a scan: begin again. */
const MAX_ROUTES = 65536;

/** The routes in use. They are forgotten with the configuration; connections keep theirs. */
export class Routes {
  private readonly routes = new Map<string, Route>();
  private readonly sources = new Map<string, string>();
  private readonly sockets: SocketFactory;
  private readonly shares: Shares;
  private readonly counters: Counters;
  /** Connections tend to come in series. */
  private last: LastRoute | null = null;
  private workloads: ReadonlyMap<number, WorkloadFacts> = new Map();

  constructor(sockets: SocketFactory, shares: Shares, counters: Counters) {
    this.sockets = sockets;
    this.shares = shares;
    this.counters = counters;
  }

  /** Begins again: names, namespaces and routing may have changed. */
  reset(workloads: ReadonlyMap<number, WorkloadFacts>): void {
    this.workloads = workloads;
    this.routes.clear();
    this.sources.clear();
    this.last = null;
  }

  /** `source`: what the client bound itself to; null: let routing choose. */
  get(listener: Listener, parties: RouteParties, destination: Uint8Array, source: Uint8Array | null): Route {
    const { last } = this;
    if (last !== null && isSame(last, listener, parties, destination, source)) return last.route;
    const key =
      `${listener.direction}/${listener.workload}/${parties.sourceWorkload}/${parties.sourceIdentity}/` +
      `${parties.destinationWorkload}/${parties.destinationIdentity}/${parties.port}/` +
      addressKey(destination) +
      (source === null ? '' : addressKey(source));
    let route = this.routes.get(key);
    if (route === undefined) {
      route = this.make(listener, parties, Uint8Array.from(destination), source);
      if (this.routes.size >= MAX_ROUTES) this.routes.clear();
      this.routes.set(key, route);
    }
    this.last = { ...parties, route, source: source === null ? null : Uint8Array.from(source) };
    return route;
  }

  private make(
    listener: Listener,
    parties: RouteParties,
    destination: Uint8Array,
    source: Uint8Array | null,
  ): Route {
    const family = familyOf(destination);
    const sourceText =
      source === null
        ? this.routed(listener, family, formatAddressBytes(destination))
        : formatAddressBytes(source);
    const server = this.workloads.get(parties.destinationWorkload);
    const client = this.workloads.get(parties.sourceWorkload);
    return new Route({
      listener,
      // Outbound: the client's, as the kernel names it; inbound: the server's.
      share: this.shares.of(parties.sourceWorkload !== 0 ? parties.sourceWorkload : listener.workload),
      sourceWorkload: parties.sourceWorkload,
      sourceIdentity: parties.sourceIdentity,
      destinationWorkload: parties.destinationWorkload,
      destinationIdentity: parties.destinationIdentity,
      destinationPort: parties.port,
      destinationAddress: destination,
      family,
      sourceAddress: parseAddressBytes(sourceText),
      sourceText,
      serverNetns: server?.netnsCookie ?? 0n,
      meter: this.counters.meter(client?.name ?? '', server?.name ?? ''),
    });
  }

  private routed(listener: Listener, family: 4 | 6, destination: string): string {
    const key = `${listener.workload}/${destination}`;
    let source = this.sources.get(key);
    if (source === undefined) {
      source = this.sockets.sourceFor(listener.netnsFd, family, destination);
      this.sources.set(key, source);
    }
    return source;
  }
}

interface LastRoute extends RouteParties {
  readonly route: Route;
  readonly source: Uint8Array | null;
}

function isSame(
  last: LastRoute,
  listener: Listener,
  parties: RouteParties,
  destination: Uint8Array,
  source: Uint8Array | null,
): boolean {
  return (
    last.route.listener === listener &&
    last.port === parties.port &&
    last.sourceWorkload === parties.sourceWorkload &&
    last.sourceIdentity === parties.sourceIdentity &&
    last.destinationWorkload === parties.destinationWorkload &&
    last.destinationIdentity === parties.destinationIdentity &&
    isEqual(last.route.destinationAddress, destination) &&
    (source === null || last.source === null ? source === last.source : isEqual(source, last.source))
  );
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < 16; i++) if (a[i] !== b[i]) return false;
  return true;
}
