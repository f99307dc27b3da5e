// SPDX-License-Identifier: Apache-2.0
import type { Flow } from '../core/flow.ts';

/** Connections that are remembered; of the oldest beyond, bytes of requests may be told twice. */
const MAX_CONNECTIONS = 10_000;

/**
 * What flows add to a sum of bytes: each byte once. Those of a connection are told at its close, and with them those of
 * its requests. Where the proxy stands between the two ends it records requests and no close, but for connections
 * that it carries as they are: of those it records the beginning, too.
 */
export class CarriedBytes {
  /** Connections through the proxy whose close it will record, oldest first. */
  readonly #carried = new Set<string>();

  /** Call it with each flow, in the order of time. */
  of(flow: Flow): number {
    const { kind, path, verdict, connection, source, bytesSent, bytesReceived } = flow;
    if (path !== 'proxied') return kind === 'close' ? bytesSent + bytesReceived : 0;
    // A number of a connection is one of its node.
    const key = `${connection} ${source.address} ${String(source.port)}`;
    if (kind === 'verdict' && verdict !== 'denied') this.#remember(key);
    if (kind === 'close') this.#carried.delete(key);
    const isPart = kind === 'request' && this.#carried.has(key);
    return (kind === 'close' || kind === 'request') && !isPart ? bytesSent + bytesReceived : 0;
  }

  #remember(key: string): void {
    const [oldest] = this.#carried;
    if (this.#carried.size >= MAX_CONNECTIONS && oldest !== undefined) this.#carried.delete(oldest);
    this.#carried.add(key);
  }
}
