// SPDX-License-Identifier: Apache-2.0

/**
 * Control characters of C0 and C1, DEL, line and paragraph separators, the characters that reorder text
 * (bidirectional controls) or hide in it (zero width, tags), and surrogates without their other half.
 */
const hostile =
  /[\p{Cc}\u2028\u2029\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u{e0000}-\u{e007f}]|\p{Cs}/gu;

function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x100) return `\\x${code.toString(16).padStart(2, '0')}`;
  return `\\u{${code.toString(16)}}`;
}

/**
 * Text from the network, made harmless for a terminal: nothing in it can move the cursor, change colours or
 * pretend to be a line of its own.
 */
export function escapeText(text: string): string {
  return text.replace(hostile, escaped);
}
