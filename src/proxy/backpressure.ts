// SPDX-License-Identifier: Apache-2.0
import type { Reactor } from '../core/port/reactor.ts';

/** Why a client isn't read. */
export const Hold = { input: 1, congestion: 2 } as const;

/** Keeps a fast side from outrunning a slow one: who isn't read at the moment, and what waits to be written. */
export class Backpressure {
  /** Output bytes that wait for a slow reader. */
  clientQueue = 0;
  serverQueue = 0;
  private held = 0;
  private readonly reactor: Reactor;
  private readonly client: number;

  constructor(reactor: Reactor, client: number) {
    this.reactor = reactor;
    this.client = client;
  }

  get isClientHeld(): boolean {
    return this.held !== 0;
  }

  /** The client's socket takes no more: stop reading the server. */
  clientCongested(bytes: number, server: number): void {
    this.clientQueue = bytes;
    if (server >= 0) this.reactor.pause(server);
  }

  clientDrained(server: number): void {
    this.clientQueue = 0;
    if (server >= 0) this.reactor.resume(server);
  }

  serverCongested(bytes: number): void {
    this.serverQueue = bytes;
    this.hold(Hold.congestion);
  }

  /** Also when the server is gone. */
  serverDrained(): void {
    this.serverQueue = 0;
    this.release(Hold.congestion);
  }

  hold(why: number): void {
    if (this.held === 0) this.reactor.pause(this.client);
    this.held |= why;
  }

  release(why: number): void {
    if ((this.held & why) === 0) return;
    this.held &= ~why;
    if (this.held === 0) this.reactor.resume(this.client);
  }
}
