// SPDX-License-Identifier: Apache-2.0
import { statSync } from 'node:fs';
import { socketGrantKey } from '../core/abi/grant.ts';
import type { Maps } from './maps.ts';

/** How long a grant waits for its socket, ns: none is left to whoever gets the process's number after its end. */
const GRANT_NS = 1_000_000_000n;

/**
 * Lets a process of Perigee make one raw socket in a governed namespace, which the datapath refuses to everybody
 * else. Call it just before the socket is made.
 *
 * @param processId one of this process's PID namespace, by its number there
 */
export function grantSocket(maps: Pick<Maps, 'socket_grants'>, processId: number = process.pid): void {
  const pidNamespace = statSync('/proc/self/ns/pid').ino;
  const end = Buffer.alloc(8);
  end.writeBigUInt64LE(process.hrtime.bigint() + GRANT_NS);
  maps.socket_grants.update(socketGrantKey.encode({ process: processId, pidNamespace }), end);
}
