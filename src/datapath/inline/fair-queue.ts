// SPDX-License-Identifier: Apache-2.0

interface Line<Item> {
  readonly items: Item[];
  /** Index of the first that waits. */
  first: number;
}

/** Items that wait, in a line of its own for each owner; the lines take turns, so that none waits for another's end. */
export class FairQueue<Item> {
  readonly #limit: number;
  /** In the order of their turns; none is empty. */
  readonly #lines = new Map<number, Line<Item>>();

  /** @param limit of one line */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get isEmpty(): boolean {
    return this.#lines.size === 0;
  }

  /** False: the owner's line is full. */
  add(owner: number, item: Item): boolean {
    const line = this.#lines.get(owner);
    if (line === undefined) {
      this.#lines.set(owner, { items: [item], first: 0 });
      return true;
    }
    if (line.items.length - line.first >= this.#limit) return false;
    if (line.first >= this.#limit) {
      line.items.splice(0, line.first); // a line that never ends must not grow
      line.first = 0;
    }
    line.items.push(item);
    return true;
  }

  /** The first of the line whose turn it is. */
  take(): Item | undefined {
    for (const [owner, line] of this.#lines) {
      const item = line.items[line.first++];
      this.#lines.delete(owner);
      if (line.first < line.items.length) this.#lines.set(owner, line);
      return item;
    }
    return undefined;
  }
}
