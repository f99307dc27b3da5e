// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';

/** What a table is called wherever it is kept: SHA-256 of its bytes, hexadecimal. */
export function tableDigest(table: Uint8Array): string {
  return createHash('sha256').update(table).digest('hex');
}
