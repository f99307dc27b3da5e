// SPDX-License-Identifier: Apache-2.0

/** In JSON's strings: what a terminal may obey (C1), or what reorders and hides text, as escapes. */
export function escapeInStrings(text: string): string {
  return text.replace(
    /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** JSON with control characters beyond ASCII's escaped, too. */
export function jsonText(data: unknown, indent?: number): string {
  return escapeInStrings(JSON.stringify(data, undefined, indent));
}
