// SPDX-License-Identifier: Apache-2.0
import type { AgentEvent, AgentEventQuery, AgentEventSource } from '../core/agent-event.ts';
import { ChangeSignal } from './change-signal.ts';

/** Events that are remembered; a follower further behind has missed the rest. */
const REMEMBERED = 1024;

/** The last events of the agent, for those who ask and those who follow. */
export class EventLog implements AgentEventSource {
  readonly #events: AgentEvent[] = [];
  readonly #changes = new ChangeSignal();
  /** Events ever added. */
  #added = 0;

  add(...events: readonly AgentEvent[]): void {
    this.#events.push(...events);
    this.#added += events.length;
    this.#events.splice(0, Math.max(0, this.#events.length - REMEMBERED));
    this.#changes.notify();
  }

  async *query(query: AgentEventQuery, signal: AbortSignal): AsyncGenerator<AgentEvent, void, undefined> {
    const { limit = Infinity, end, since = 0n, until, follow } = query;
    const isWanted = ({ time }: AgentEvent): boolean =>
      time >= since && (until === undefined || time <= until);
    const stored = this.#events.filter(isWanted);
    const first = end === 'oldest' ? 0 : Math.max(0, stored.length - limit);
    let next = this.#added;
    yield* stored.slice(first, end === 'oldest' ? limit : undefined);
    while (follow && !signal.aborted) {
      const fresh = this.#events.slice(Math.max(0, this.#events.length - (this.#added - next)));
      if (next === this.#added) await this.#changes.wait(signal);
      else {
        next = this.#added;
        yield* fresh.filter(isWanted);
      }
    }
  }
}
