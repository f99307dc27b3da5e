// SPDX-License-Identifier: Apache-2.0
import { type OpenConnection, openState } from '../core/abi/sweep.ts';
import { formatAddress } from '../core/identity/address.ts';
import { addressOfBytes } from '../core/identity/wire-address.ts';
import type { Endpoint, Native } from './native.ts';
import type { SocketWalk, WalkName } from './walk.ts';
import { messageOf } from '../lib/errors.ts';

export interface SweepInput {
  readonly native: Native;
  readonly walk: Pick<SocketWalk, 'run'>;
  /** Namespaces that hold governed sockets; null: this process's own. */
  readonly namespaces: readonly (number | null)[];
}

export interface SweepReport {
  readonly closed: number;
  /** Sockets that the kernel did not close, with its reason. */
  readonly failed: readonly string[];
}

/**
 * `first`: right after a change; of a connection between two workloads of this node the client's end is judged.
 * `rest`: a moment later, when those have taken their other ends with them; also whatever was just being opened.
 */
export type SweepRound = 'first' | 'rest';

const programs: Readonly<Record<SweepRound, readonly WalkName[]>> = {
  first: ['close_tcp', 'close_udp'],
  rest: ['close_rest_tcp', 'close_udp'],
};

/**
 * Closes connections that policy, as the maps have it now, forbids. The kernel judges, counts and records them.
 * A walk that fails is thrown after all others were made.
 */
export function sweepConnections(input: SweepInput, round: SweepRound): SweepReport {
  let closed = 0;
  const failed: string[] = [];
  const broken: unknown[] = [];
  const walks = input.namespaces.flatMap((netnsFd) => programs[round].map((name) => ({ netnsFd, name })));
  for (const { netnsFd, name } of walks) {
    try {
      const found = input.walk.run(name, netnsFd);
      closed += found.filter((one) => isClosed(input.native, netnsFd, one, failed)).length;
    } catch (error) {
      broken.push(error);
    }
  }
  if (broken.length > 0) throw broken[0];
  return { closed, failed };
}

function isClosed(native: Native, netnsFd: number | null, found: OpenConnection, failed: string[]): boolean {
  try {
    return found.state === openState.closed || destroy(native, netnsFd, found);
  } catch (error) {
    failed.push(messageOf(error));
    return false;
  }
}

/** Kernels before 6.5 leave it to us. False: the socket was gone already. */
function destroy(native: Native, netnsFd: number | null, found: OpenConnection): boolean {
  const { cookie, protocol } = found;
  const family = found.family === 4 ? 4 : 6;
  return native.diag.destroy(netnsFd, {
    protocol: protocol === 6 ? 'tcp' : 'udp',
    family,
    source: endpoint(found.localAddress, found.localPort, family),
    destination: endpoint(found.remoteAddress, found.remotePort, family),
    cookie,
  });
}

/** An IPv4 connection on an IPv6 socket goes by its mapped address. */
function endpoint(bytes: Uint8Array, port: number, family: 4 | 6): Endpoint {
  const address = addressOfBytes(bytes);
  const text = formatAddress(address);
  return { address: family === 6 && address.family === 4 ? `::ffff:${text}` : text, port };
}
