// SPDX-License-Identifier: Apache-2.0
import { type Address, isLoopback, parseAddress } from '../core/identity/address.ts';
import type { DesiredAddress, DesiredPolicy, DesiredWorkload } from '../core/state/desired.ts';
import type { PolicyIndex } from '../core/state/policy-index.ts';
import type { DiagProtocol, DiagSocket, Native } from './native.ts';

/** A socket of a governed workload that policy no longer bears. */
export interface Closed {
  readonly workload: DesiredWorkload;
  /** The side whose policy refuses. */
  readonly direction: 'egress' | 'ingress';
  /** The socket was accepted here, not opened from here. */
  readonly serving: boolean;
  readonly protocol: 'TCP' | 'UDP';
  readonly socket: DiagSocket;
  readonly rule: number;
}

export interface SweepInput {
  readonly native: Native;
  readonly index: PolicyIndex;
  /** Governed namespaces with an open descriptor of each. */
  readonly workloads: readonly { readonly workload: DesiredWorkload; readonly netnsFd: number }[];
  /** Inodes of the proxy's sockets: it closes what it carries by itself. */
  readonly proxyInodes: ReadonlySet<number>;
}

interface View {
  readonly socket: DiagSocket;
  readonly local: Address;
  readonly remote: Address;
}

/** States in which bytes may still pass. */
const living = ['established', 'syn-sent', 'syn-recv', 'fin-wait-1', 'fin-wait-2', 'close-wait'] as const;

function same(a: Address, b: Address): boolean {
  return a.family === b.family && a.bits === b.bits;
}

function tuple(source: string, sourcePort: number, destination: string, destinationPort: number): string {
  return `${source}:${String(sourcePort)}>${destination}:${String(destinationPort)}`;
}

/**
 * Closes connections that were opened under another policy, or before there was one. The proxy's own ends,
 * the ends that it serves, and a workload's traffic to itself are left alone.
 */
export function sweepConnections(input: SweepInput): Closed[] {
  const closed: Closed[] = [];
  const listed = input.workloads.map((entry) => ({
    ...entry,
    sockets: listSockets(input.native, entry.netnsFd),
  }));
  const carried = new Set(
    listed.flatMap(({ sockets }) =>
      sockets.tcp
        .filter((socket) => input.proxyInodes.has(socket.inode))
        .map(({ source, destination }) =>
          tuple(source.address, source.port, destination.address, destination.port),
        ),
    ),
  );
  for (const { workload, netnsFd, sockets } of listed) {
    for (const protocol of ['tcp', 'udp'] as const) {
      for (const socket of sockets[protocol]) {
        if (input.proxyInodes.has(socket.inode) || carried.has(reversed(socket))) continue;
        const verdict = judge(input.index, workload, protocol, socket, sockets.listening);
        if (verdict === undefined) continue;
        if (input.native.diag.destroy(netnsFd, { protocol, ...socket })) {
          closed.push({ workload, socket, ...verdict });
        }
      }
    }
  }
  return closed;
}

function reversed({ source, destination }: DiagSocket): string {
  return tuple(destination.address, destination.port, source.address, source.port);
}

function listSockets(
  native: Native,
  netnsFd: number,
): { readonly tcp: DiagSocket[]; readonly udp: DiagSocket[]; readonly listening: ReadonlySet<number> } {
  const tcp = native.diag.list(netnsFd, { protocol: 'tcp', states: [...living, 'listening'] });
  return {
    tcp: tcp.filter((socket) => socket.state !== 'listening'),
    udp: native.diag.list(netnsFd, { protocol: 'udp', states: ['established'] }),
    listening: new Set(
      tcp.filter((socket) => socket.state === 'listening').map((socket) => socket.source.port),
    ),
  };
}

/** What to close it for; undefined: it may stay. */
function judge(
  index: PolicyIndex,
  workload: DesiredWorkload,
  protocol: DiagProtocol,
  socket: DiagSocket,
  listening: ReadonlySet<number>,
): Pick<Closed, 'direction' | 'serving' | 'protocol' | 'rule'> | undefined {
  const view = viewOf(socket);
  if (view === undefined || isLoopback(view.remote) || same(view.local, view.remote)) return undefined;
  const serving = protocol === 'tcp' && listening.has(socket.source.port);
  const peer = index.peer(view.remote);
  if (peer?.workload === workload.id) return undefined;
  const name = protocol === 'tcp' ? 'TCP' : 'UDP';
  const port = serving ? socket.source.port : socket.destination.port;
  for (const side of governingSides(workload, serving, peer)) {
    const verdict = index.verdict({ ...side, protocol: name }, port);
    if (verdict?.action === 'allow') continue;
    return { direction: side.direction, serving, protocol: name, rule: verdict?.rule ?? 0 };
  }
  return undefined;
}

/** Whose policies speak of the connection: the workload's, and those of a destination on this node. */
function governingSides(
  workload: DesiredWorkload,
  serving: boolean,
  peer: DesiredAddress | undefined,
): Pick<DesiredPolicy, 'workload' | 'direction' | 'identity'>[] {
  const direction = serving ? 'ingress' : 'egress';
  const own = { workload: workload.id, direction, identity: peer?.identity ?? 0 } as const;
  const sides: Pick<DesiredPolicy, 'workload' | 'direction' | 'identity'>[] = [];
  if (selected(workload, direction)) sides.push(own);
  if (!serving && peer !== undefined && peer.workload !== 0 && peer.ingressSelected) {
    sides.push({ workload: peer.workload, direction: 'ingress', identity: workload.identity });
  }
  return sides;
}

function selected(workload: DesiredWorkload, direction: 'egress' | 'ingress'): boolean {
  return direction === 'egress' ? workload.egressSelected : workload.ingressSelected;
}

function viewOf(socket: DiagSocket): View | undefined {
  const local = parseAddress(socket.source.address);
  const remote = parseAddress(socket.destination.address);
  return local === undefined || remote === undefined ? undefined : { socket, local, remote };
}
