// SPDX-License-Identifier: Apache-2.0

/** A block of ports that share their leading `bits`. */
export interface PortPrefix {
  readonly port: number;
  /** 0 to 16. */
  readonly bits: number;
}

/** The fewest blocks that cover `from` to `to` exactly: at most 30. */
export function portPrefixes(from: number, to: number): PortPrefix[] {
  const blocks: PortPrefix[] = [];
  for (let port = from; port <= to;) {
    let bits = 16;
    while (bits > 0 && fits(port, bits - 1, to)) bits -= 1;
    blocks.push({ port, bits });
    port += 1 << (16 - bits);
  }
  return blocks;
}

function fits(port: number, bits: number, to: number): boolean {
  const size = 1 << (16 - bits);
  return port % size === 0 && port + size - 1 <= to;
}
