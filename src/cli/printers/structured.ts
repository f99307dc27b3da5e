// SPDX-License-Identifier: Apache-2.0
import { escapeInStrings } from '../../lib/json-text.ts';

export { jsonText } from '../../lib/json-text.ts';

/** One YAML document. The library is loaded when first needed. */
export async function yamlText(data: unknown): Promise<string> {
  const { stringify } = await import('yaml');
  // JSON first: undefined and bigint have no YAML, and hostile characters stay escaped in double quotes.
  const plain: unknown = JSON.parse(JSON.stringify(data));
  return escapeInStrings(stringify(plain, { lineWidth: 0 }));
}
