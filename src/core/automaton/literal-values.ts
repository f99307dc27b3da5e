// SPDX-License-Identifier: Apache-2.0
import { hexValue } from '../http/grammar.ts';

/** The octets that a literal path stands for; the path must have been checked. */
export function decodePath(path: string): Uint8Array {
  const raw = Buffer.from(path, 'utf8');
  const decoded = new Uint8Array(raw.length);
  let length = 0;
  for (let i = 0; i < raw.length; i++) {
    let byte = raw[i] as number;
    if (byte === 0x25) {
      byte = hexValue(raw[i + 1] ?? 0) * 16 + hexValue(raw[i + 2] ?? 0);
      i += 2;
    }
    decoded[length++] = byte;
  }
  return decoded.subarray(0, length);
}

/** Gateway API: a prefix's trailing slash is ignored, so "/" is the empty prefix. */
export function prefixBytes(decoded: Uint8Array): Uint8Array {
  return decoded[decoded.length - 1] === 0x2f ? decoded.subarray(0, -1) : decoded;
}

/** An expression for an exact host or `*.suffix`, over lower-cased names without a dot at the end. */
export function hostPattern(host: string): string {
  const quoted = host.toLowerCase().replace(/[^a-z0-9*]/g, (c) => `\\${c}`);
  return quoted.replace(/^\*/, '[^\\[]+');
}
