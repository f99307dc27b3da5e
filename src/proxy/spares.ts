// SPDX-License-Identifier: Apache-2.0

/**
 * Parsers for a worker. Nearly every head arrives in one piece: then all connections use the same parser, one after
 * another. Only a connection with an unfinished head holds one of its own.
 */
export class Spares<T> {
  /** For a head that begins and ends within a call. */
  current: T;
  private readonly free: T[] = [];
  private readonly make: () => T;

  constructor(make: () => T) {
    this.make = make;
    this.current = make();
  }

  /** The current one becomes the caller's. */
  keep(): T {
    const kept = this.current;
    this.current = this.free.pop() ?? this.make();
    return kept;
  }

  giveBack(parser: T): void {
    if (this.free.length < 64) this.free.push(parser);
  }
}
