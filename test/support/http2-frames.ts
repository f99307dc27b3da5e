// SPDX-License-Identifier: Apache-2.0

/** RFC 9113 3.4. */
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** Types of frames (RFC 9113 6). */
export const Frame = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  push: 5,
  ping: 6,
  goaway: 7,
  window: 8,
  continuation: 9,
} as const;

export const END_STREAM = 1;
const END_HEADERS = 4;

type Fields = readonly (readonly [name: string, value: string])[];

export function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** HPACK's integer with a prefix of seven bits. */
function integer(value: number): Buffer {
  if (value < 127) return Buffer.from([value]);
  const bytes = [127];
  let rest = value - 127;
  for (; rest >= 128; rest >>= 7) bytes.push((rest & 127) | 128);
  bytes.push(rest);
  return Buffer.from(bytes);
}

/** HPACK's literal fields with new names, never in a table, without Huffman's code. */
export function literals(fields: Fields): Buffer {
  return Buffer.concat(
    fields.flatMap((field) => [
      Buffer.from([0x10]),
      ...field.flatMap((text) => [integer(text.length), Buffer.from(text, 'latin1')]),
    ]),
  );
}

/** A whole request without a body. */
export function request(stream: number, path: string, more: Fields = []): Buffer {
  const fields: Fields = [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':authority', 'api'],
    [':path', path],
    ...more,
  ];
  const block = literals(fields);
  const first = block.subarray(0, 16000);
  const rest = block.subarray(16000);
  if (rest.length === 0) return frame(Frame.headers, END_STREAM | END_HEADERS, stream, first);
  return Buffer.concat([
    frame(Frame.headers, END_STREAM, stream, first),
    frame(Frame.continuation, END_HEADERS, stream, rest),
  ]);
}
