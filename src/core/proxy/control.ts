// SPDX-License-Identifier: Apache-2.0

/**
 * The proxy's control socket: HTTP over a unix socket, used by the agent alone.
 *
 * | request           | answer                                                                                |
 * |-------------------|---------------------------------------------------------------------------------------|
 * | PUT /v1/tables/ID | 204: the table whose digest is ID is kept for the next configuration                    |
 * | PUT /v1/config    | 200 ProxyStatus once it is in force; 400 {code, message} and nothing changed;          |
 * |                   | 409 ProxyLack and nothing changed: tables that it names have not been sent             |
 * | GET /v1/status    | 200 ProxyStatus                                                                       |
 * | GET /v1/flows     | 200, an endless stream of frames: u32 LE length, then one flow_record with its tail    |
 * | GET /v1/metrics   | 200 Prometheus text                                                                   |
 * | POST /v1/drain    | 202: stops accepting, ends when the last connection has, or after its drain time       |
 */
export interface ProxyLack {
  /** Digests. */
  readonly missing: readonly string[];
}

export interface ProxyStatus {
  readonly pid: number;
  readonly version: string;
  /** Revision in force, -1: none yet. */
  readonly revision: number;
  /** Of the configuration in force, if it came with one. */
  readonly digest?: string;
  readonly startedAt: string;
  readonly draining: boolean;
  readonly workers: number;
  readonly connections: number;
  readonly rssBytes: number;
  readonly workloads: readonly ProxyWorkloadStatus[];
}

export interface ProxyWorkloadStatus {
  readonly id: number;
  readonly outboundPort: number;
  readonly inboundPort: number;
  readonly connections: number;
  /** Why its listeners are not up, in words. */
  readonly error?: string;
}
