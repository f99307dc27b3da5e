// SPDX-License-Identifier: Apache-2.0
import type { Flow } from '../core/flow.ts';

/** Connections that wait for the word of another node, and most of which get none; beyond it the oldest are forgotten. */
const MAX_WAITING = 65_536;

/**
 * Nodes tell of the connections of their own workloads, so two of them tell of one that goes from one to the other. For sums
 * over several nodes: which of their flows say what another node has said.
 */
export class ToldTwice {
  /** The node that told, by what it told and the ends of the connection. */
  readonly #tellers = new Map<string, string>();

  /** Whether another node has told of the same beginning, or the same end, of a connection. */
  has({ kind, source, destination, verdict }: Flow, node: string): boolean {
    if ((kind !== 'verdict' && kind !== 'close') || verdict === 'denied') return false;
    const [from, to] = [source, destination].map(({ address, port }) => `${address} ${String(port)}`);
    const key = `${kind} ${String(from)} ${String(to)}`;
    const teller = this.#tellers.get(key);
    this.#tellers.delete(key);
    if (teller !== undefined && teller !== node) return true;
    this.#tellers.set(key, node);
    if (this.#tellers.size > MAX_WAITING)
      for (const oldest of this.#tellers.keys()) {
        this.#tellers.delete(oldest);
        break;
      }
    return false;
  }
}
