// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { PerigeeError } from '../lib/errors.ts';

/** Runtime, maps, control socket and its clients, log, state file. */
const PROCESS = 96;
/** Its namespace and four listeners, and one more namespace while another configuration takes over. */
const PER_WORKLOAD = 6;
/** With fewer a proxy is of no use. */
const LEAST = 16;
/** The reactor's tables are made for no more. */
const MOST = 262_144;

/** Connections that a reactor accepts before the first of them can be refused. */
export const TURN_ACCEPTS = 64;

/** The open files that this process may have. Node.js has raised the soft limit to the hard one at its start. */
export function descriptorLimit(limits: string = readFileSync('/proc/self/limits', 'utf8')): number {
  const soft = /^Max open files\s+(\S+)/m.exec(limits)?.[1];
  return soft === undefined || soft === 'unlimited' ? Infinity : Number(soft);
}

/** What divides a process's descriptors into sockets. */
export interface DescriptorUse {
  readonly limit: number;
  readonly workers: number;
  readonly workloads: number;
  /** Sockets of one worker at most, whatever the limit. */
  readonly most?: number;
}

/** Sockets that one worker may have, so that no call ever finds the process out of descriptors. */
export function socketsPerWorker({ limit, workers, workloads, most = MOST }: DescriptorUse): number {
  const left = limit - PROCESS - workloads * PER_WORKLOAD;
  const sockets = Math.min(Math.floor(left / workers) - TURN_ACCEPTS, most, MOST);
  if (sockets >= LEAST) return sockets;
  throw new PerigeeError(
    'ERR_PROXY_DESCRIPTORS',
    `${String(limit)} open files are too few for ${String(workloads)} workloads`,
    {
      object: 'RLIMIT_NOFILE',
      hint: 'raise LimitNOFILE= of the unit, or `ulimit -n` of the shell that starts the proxy',
    },
  );
}
