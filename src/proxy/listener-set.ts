// SPDX-License-Identifier: Apache-2.0
import type { ProxyWorkload } from '../core/proxy/config.ts';
import { PerigeeError } from '../lib/errors.ts';
import type { Publisher } from './publisher.ts';
import type { Listener } from './route.ts';

type Family = 4 | 6;
const FAMILIES: readonly Family[] = [4, 6];

export const OUTBOUND_PORT = 15001;
export const INBOUND_PORT = 15006;
/** Ports tried from the first one on, two apart: the pod's own application may hold one, a draining proxy another. */
const PORT_STEP = 2;
const PORT_TRIES = 12;
const LOOPBACK: Readonly<Record<Family, string>> = { 4: '127.0.0.1', 6: '::1' };

/** The part of the addon that is used here. */
export interface ListenerHost {
  readonly netns: { open(path: string): number; cookie(netnsFd: number): bigint };
  readonly sockets: {
    openListener(options: {
      netnsFd: number;
      family: Family;
      address: string;
      port: number;
      v6Only?: boolean;
    }): {
      readonly fd: number;
      readonly port: number;
    };
    close(fd: number): void;
  };
}

interface OpenSocket {
  readonly fd: number;
  readonly port: number;
  readonly family: Family;
}

/** The listeners of one namespace, which may hold several workloads (cgroups share the host's). */
export interface NetnsListeners {
  /** The first of them: whoever is reached from outside of it. */
  readonly workload: ProxyWorkload;
  readonly netnsFd: number;
  readonly netnsCookie: bigint;
  readonly outbound: readonly OpenSocket[];
  readonly inbound: readonly OpenSocket[];
}

/** Opens and closes a namespace's listeners. They aren't SO_REUSEPORT: a process of the pod could join the group. */
export class ListenerSet {
  private readonly host: ListenerHost;
  /** What this kernel doesn't know, in any namespace. */
  private readonly unknown = new Set<Family>();

  constructor(host: ListenerHost) {
    this.host = host;
  }

  open(workload: ProxyWorkload): NetnsListeners {
    const netnsFd = this.host.netns.open(workload.netns);
    const opened: OpenSocket[] = [];
    try {
      const netnsCookie = this.host.netns.cookie(netnsFd);
      if (netnsCookie !== BigInt(workload.netnsCookie)) {
        throw new PerigeeError('ERR_NETNS_CHANGED', `${workload.netns} is another namespace now`, {
          object: workload.netns,
        });
      }
      const outbound = this.openPair(netnsFd, OUTBOUND_PORT, opened);
      const inbound = this.openPair(netnsFd, INBOUND_PORT, opened);
      return { workload, netnsFd, netnsCookie, outbound, inbound };
    } catch (error) {
      for (const { fd } of opened) this.host.sockets.close(fd);
      this.host.sockets.close(netnsFd);
      throw error;
    }
  }

  /** With the families whose loopback address has come since; undefined where none has. */
  complete(listeners: NetnsListeners): NetnsListeners | undefined {
    const added: OpenSocket[] = [];
    try {
      const outbound = this.withMissing(listeners.netnsFd, listeners.outbound, added);
      const inbound = this.withMissing(listeners.netnsFd, listeners.inbound, added);
      return added.length === 0 ? undefined : { ...listeners, outbound, inbound };
    } catch (error) {
      for (const { fd } of added) this.host.sockets.close(fd);
      throw error;
    }
  }

  /** It was met before the loopback of a family was up, or that has none here. */
  isPartial({ outbound, inbound }: NetnsListeners): boolean {
    return outbound.length + inbound.length < 2 * (FAMILIES.length - this.unknown.size);
  }

  /** The namespace stays open: connections may still need it. */
  close(listeners: NetnsListeners): void {
    for (const { fd } of [...listeners.outbound, ...listeners.inbound]) this.host.sockets.close(fd);
  }

  closeNetns(netnsFd: number): void {
    this.host.sockets.close(netnsFd);
  }

  publish(listeners: NetnsListeners, publisher: Publisher): void {
    for (const { family, fd } of listeners.inbound) publisher.inbound(listeners.netnsCookie, family, fd);
    for (const { family, fd } of listeners.outbound) publisher.outbound(listeners.netnsCookie, family, fd);
    publisher.port(listeners.netnsCookie, outboundPort(listeners));
  }

  /** The same port for both families: the kernel knows one per namespace. */
  private openPair(netnsFd: number, first: number, opened: OpenSocket[]): OpenSocket[] {
    for (let attempt = 0; attempt < PORT_TRIES + 4; attempt++) {
      const port = attempt < PORT_TRIES ? first + attempt * PORT_STEP : 0;
      const pair = this.tryPair(netnsFd, port);
      if (pair === undefined) continue;
      opened.push(...pair);
      return pair;
    }
    throw new PerigeeError('ERR_NO_PORT', 'no free port for the listener', { object: String(first) });
  }

  private withMissing(netnsFd: number, open: readonly OpenSocket[], added: OpenSocket[]): OpenSocket[] {
    const all = [...open];
    for (const family of FAMILIES) {
      if (this.unknown.has(family) || open.some((one) => one.family === family)) continue;
      // The port is the same, or none: with another, connections of the family that is open would have to move.
      const one = this.tryOne(netnsFd, family, open[0]?.port ?? 0);
      if (typeof one === 'string') continue;
      all.push(one);
      added.push(one);
    }
    return all;
  }

  private tryPair(netnsFd: number, port: number): OpenSocket[] | undefined {
    const four = this.tryOne(netnsFd, 4, port);
    if (four === 'in use') return undefined;
    const six = this.tryOne(netnsFd, 6, four === 'no family' ? port : four.port);
    if (six === 'in use') {
      if (four !== 'no family') this.host.sockets.close(four.fd);
      return undefined;
    }
    const pair = [four, six].filter((one) => one !== 'no family');
    if (pair.length === 0) throw new PerigeeError('ERR_NO_LOOPBACK', 'the namespace has no loopback address');
    return pair;
  }

  private tryOne(netnsFd: number, family: Family, port: number): OpenSocket | 'in use' | 'no family' {
    try {
      const options = { netnsFd, family, address: LOOPBACK[family], port };
      return {
        ...this.host.sockets.openListener(family === 6 ? { ...options, v6Only: true } : options),
        family,
      };
    } catch (error) {
      const { errno } = error as { errno?: number };
      if (errno === EADDRINUSE) return 'in use';
      if (errno === EAFNOSUPPORT) this.unknown.add(family);
      if (errno === EADDRNOTAVAIL || errno === EAFNOSUPPORT) return 'no family';
      throw error;
    }
  }
}

const EADDRINUSE = 98;
const EADDRNOTAVAIL = 99;
const EAFNOSUPPORT = 97;

export function outboundPort(listeners: NetnsListeners): number {
  return listeners.outbound[0]?.port ?? 0;
}

export function inboundPort(listeners: NetnsListeners): number {
  return listeners.inbound[0]?.port ?? 0;
}

/** What a worker is told of a listening socket. */
export function listenerOf(listeners: NetnsListeners, direction: Listener['direction']): Listener {
  const { netnsCookie, netnsFd, workload } = listeners;
  return { workload: workload.id, identity: workload.identity, direction, netnsFd, netnsCookie };
}
