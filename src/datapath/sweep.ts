// SPDX-License-Identifier: Apache-2.0
import { type Address, isLoopback, parseAddress } from '../core/identity/address.ts';
import type { DesiredAddress, DesiredWorkload } from '../core/state/desired.ts';
import type { PolicyIndex, PolicySide } from '../core/state/policy-index.ts';
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
  /** Inodes of the proxies' sockets at this moment: they close what they carry by themselves. */
  readonly proxyInodes: () => ReadonlySet<number>;
}

export interface SweepReport {
  readonly closed: readonly Closed[];
  /** Sockets that the kernel did not close, with its reason; empty where it can. */
  readonly failed: readonly string[];
}

interface View {
  readonly socket: DiagSocket;
  readonly local: Address;
  readonly remote: Address;
}

/** States in which bytes may still pass. */
const living = ['established', 'syn-sent', 'syn-recv', 'fin-wait-1', 'fin-wait-2', 'close-wait'] as const;

/** Linux's default of ip_local_port_range begins here. */
const EPHEMERAL_FIRST = 32768;

function same(a: Address, b: Address): boolean {
  return a.family === b.family && a.bits === b.bits;
}

/**
 * Closes connections that were opened under another policy, or before there was one. A connection between two
 * workloads of this node is judged at its client's end. What the proxy holds is left alone, and so are sockets
 * that no process holds any more: they only wait for their last segments.
 */
export function sweepConnections(input: SweepInput): SweepReport {
  const { native, index } = input;
  const before = input.proxyInodes();
  const listed = input.workloads.map((entry) => ({ ...entry, sockets: listSockets(native, entry.netnsFd) }));
  // What the proxy opened or closed while we looked is in one of the two.
  const after = input.proxyInodes();
  const held = (inode: number): boolean => inode === 0 || before.has(inode) || after.has(inode);
  const closed: Closed[] = [];
  const failed: string[] = [];
  for (const { workload, netnsFd, sockets } of listed) {
    for (const [protocol, socket] of candidates(sockets)) {
      if (held(socket.inode)) continue;
      const verdict = judge(index, workload, protocol, socket, sockets.listening);
      if (verdict === undefined) continue;
      try {
        if (native.diag.destroy(netnsFd, { protocol, ...socket }))
          closed.push({ workload, socket, ...verdict });
      } catch (error) {
        failed.push(`${workload.key}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }
  return { closed, failed };
}

function candidates({ tcp, udp }: Listed): (readonly [DiagProtocol, DiagSocket])[] {
  return [...tcp.map((socket) => ['tcp', socket] as const), ...udp.map((socket) => ['udp', socket] as const)];
}

interface Listed {
  readonly tcp: readonly DiagSocket[];
  readonly udp: readonly DiagSocket[];
  readonly listening: readonly DiagSocket[];
}

function listSockets(native: Native, netnsFd: number): Listed {
  const tcp = native.diag.list(netnsFd, { protocol: 'tcp', states: [...living, 'listening'] });
  return {
    tcp: tcp.filter((socket) => socket.state !== 'listening'),
    udp: native.diag.list(netnsFd, { protocol: 'udp', states: ['established'] }),
    listening: tcp.filter((socket) => socket.state === 'listening'),
  };
}

/** Who opened it is not on record for every socket: a listener at its address tells, else the ports do. */
function isServing(view: View, listening: readonly DiagSocket[]): boolean {
  const { source, destination } = view.socket;
  const listens = listening.some(({ source: { address, port } }) => {
    const bound = parseAddress(address);
    return port === source.port && bound !== undefined && (bound.bits === 0n || same(bound, view.local));
  });
  return listens || (source.port < EPHEMERAL_FIRST && destination.port >= EPHEMERAL_FIRST);
}

/** What to close it for; undefined: it may stay. */
function judge(
  index: PolicyIndex,
  workload: DesiredWorkload,
  protocol: DiagProtocol,
  socket: DiagSocket,
  listening: readonly DiagSocket[],
): Pick<Closed, 'direction' | 'serving' | 'protocol' | 'rule'> | undefined {
  const view = viewOf(socket);
  if (view === undefined || isLoopback(view.remote) || same(view.local, view.remote)) return undefined;
  const serving = protocol === 'tcp' && isServing(view, listening);
  const peer = index.peer(view.remote);
  if (peer?.workload === workload.id || (serving && peer !== undefined && peer.workload !== 0))
    return undefined;
  const name = protocol === 'tcp' ? 'TCP' : 'UDP';
  const port = serving ? socket.source.port : socket.destination.port;
  for (const side of governingSides(workload, serving, protocol, peer)) {
    const verdict = index.verdict(side, name, port);
    if (verdict?.action === 'allow') continue;
    return { direction: side.direction, serving, protocol: name, rule: verdict?.rule ?? 0 };
  }
  return undefined;
}

/** Whose policies speak of the connection: the workload's, and those of a destination on this node. */
function governingSides(
  workload: DesiredWorkload,
  serving: boolean,
  protocol: DiagProtocol,
  peer: DesiredAddress | undefined,
): PolicySide[] {
  const direction = serving ? 'ingress' : 'egress';
  const own = { workload: workload.id, direction, identity: peer?.identity ?? 0 } as const;
  const sides: PolicySide[] = [];
  if (selected(workload, direction)) sides.push(own);
  // The receiver of datagrams is judged packet by packet.
  if (protocol === 'tcp' && !serving && peer !== undefined && peer.workload !== 0 && peer.ingressSelected) {
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
