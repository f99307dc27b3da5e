// SPDX-License-Identifier: Apache-2.0
import type { ChildProcess } from 'node:child_process';

export const pathNames = [
  'bare',
  'direct',
  'direct-boost',
  'inline',
  'boost',
  'proxied',
  'proxied-boost',
  'haproxy',
  'nginx',
  'envoy',
] as const;
export type PathName = (typeof pathNames)[number];

/** One way from a client to the server. It stays up for the whole run; idle ones cost nothing. */
export interface BenchPath {
  readonly name: PathName;
  /** Host and port that the client asks. */
  readonly authority: string;
  /** Starts a command on the client's machine of this path. */
  readonly start: (command: readonly string[]) => ChildProcess;
  /** A rule about methods and paths is armed on this path. */
  readonly isRuled: boolean;
  /** Processes that stand between client and server. */
  readonly middle: () => readonly number[];
}

/** Why a path has no numbers. */
export interface MissingPath {
  readonly name: PathName;
  readonly missing: string;
}

export const pathTitles: Readonly<Record<PathName, string>> = {
  bare: 'client to server over veth and a bridge; nothing between, Perigee not attached to them',
  direct:
    'Perigee, layer 4: egress policy at the client and ingress policy at the server, verdict in the kernel; a node without HTTP rules',
  'direct-boost':
    'Perigee, layer 4: as direct, and both workloads ask for boost; connections are boosted some 200 to 400 ms after they were opened',
  inline: 'Perigee, layer 7: the same rule enforced in the kernel, flow records and metrics on',
  boost:
    'Perigee, layer 7: as inline, and both workloads ask for boost: requests are judged before they pass TCP by',
  proxied:
    'Perigee, layer 7: methods and paths enforced by its proxy (one worker), flow records on; a rule that names Upgrade keeps it there',
  'proxied-boost': 'Perigee, layer 7: as proxied, and both workloads ask for boost: both legs pass TCP by',
  haproxy: 'HAProxy (one thread) on a machine between, the same rule',
  nginx: 'nginx (one worker) as a reverse proxy on a machine between, the same rule',
  envoy: 'Envoy (`--concurrency 1`) on a machine between, the same rule as RBAC filter',
};
