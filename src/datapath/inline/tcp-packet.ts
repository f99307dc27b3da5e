// SPDX-License-Identifier: Apache-2.0

/** Bits of the TCP header's flags. */
export const TcpFlag = { Fin: 1, Rst: 4, Psh: 8, Ack: 16 } as const;

/** A TCP segment to be made by hand. Addresses: 16 bytes, IPv4 as ::ffff:a.b.c.d. */
export interface TcpSegment {
  readonly family: 4 | 6;
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly acknowledge: number;
  readonly flags: number;
  readonly payload: string;
}

const IPPROTO_TCP = 6;
const TCP_BYTES = 20;
const HOP_LIMIT = 64;
/** Not scaled; the connection ends with this segment. */
const WINDOW = 500;

/** The whole packet, with its checksums (RFC 791, RFC 8200, RFC 9293). */
export function tcpPacket(segment: TcpSegment): Buffer {
  const body = Buffer.from(segment.payload, 'latin1');
  const length = TCP_BYTES + body.length;
  const header = segment.family === 4 ? ip4Header(segment, length) : ip6Header(segment, length);
  const tcp = Buffer.alloc(TCP_BYTES);
  tcp.writeUInt16BE(segment.sourcePort, 0);
  tcp.writeUInt16BE(segment.destinationPort, 2);
  tcp.writeUInt32BE(segment.sequence >>> 0, 4);
  tcp.writeUInt32BE(segment.acknowledge >>> 0, 8);
  tcp[12] = (TCP_BYTES / 4) << 4;
  tcp[13] = segment.flags;
  tcp.writeUInt16BE(WINDOW, 14);
  const pseudo = Buffer.alloc(8);
  pseudo.writeUInt32BE(length, 0);
  pseudo.writeUInt32BE(IPPROTO_TCP, 4);
  const addresses = [segment.source, segment.destination].map((address) =>
    segment.family === 4 ? address.subarray(12) : address,
  );
  tcp.writeUInt16BE(checksum([...addresses, pseudo, tcp, body]), 16);
  return Buffer.concat([header, tcp, body]);
}

function ip4Header({ source, destination }: TcpSegment, length: number): Buffer {
  const header = Buffer.alloc(20);
  header[0] = 0x45;
  header.writeUInt16BE(20 + length, 2);
  header[8] = HOP_LIMIT;
  header[9] = IPPROTO_TCP;
  header.set(source.subarray(12), 12);
  header.set(destination.subarray(12), 16);
  header.writeUInt16BE(checksum([header]), 10);
  return header;
}

function ip6Header({ source, destination }: TcpSegment, length: number): Buffer {
  const header = Buffer.alloc(40);
  header[0] = 0x60;
  header.writeUInt16BE(length, 4);
  header[6] = IPPROTO_TCP;
  header[7] = HOP_LIMIT;
  header.set(source, 8);
  header.set(destination, 24);
  return header;
}

/** RFC 1071, over pieces of even length but for the last. */
function checksum(pieces: readonly Uint8Array[]): number {
  let sum = 0;
  for (const piece of pieces)
    piece.forEach((byte, index) => {
      sum += index % 2 === 0 ? byte << 8 : byte;
    });
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}
