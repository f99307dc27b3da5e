// SPDX-License-Identifier: Apache-2.0

/**
 * Text of a request as a URL may hold it: terminals, logs and collectors show it as it is, so what could move a cursor or
 * pretend to be something else is percent-encoded.
 */
export function urlText(text: string): string {
  return text.replace(/[^\x21-\x7e]+/gu, (part) =>
    [...Buffer.from(part)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );
}
