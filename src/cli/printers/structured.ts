// SPDX-License-Identifier: Apache-2.0

function escapeControls(text: string): string {
  return text.replace(
    /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** JSON with control characters beyond ASCII's escaped, too: a terminal may obey those of C1. */
export function jsonText(data: unknown, indent?: number): string {
  return escapeControls(JSON.stringify(data, undefined, indent));
}

/** One YAML document. The library is loaded when first needed. */
export async function yamlText(data: unknown): Promise<string> {
  const { stringify } = await import('yaml');
  // JSON first: undefined and bigint have no YAML, and hostile characters stay escaped in double quotes.
  const plain: unknown = JSON.parse(JSON.stringify(data));
  return escapeControls(stringify(plain, { lineWidth: 0 }));
}
