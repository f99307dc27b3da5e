// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';

/** 128 bits of SHA-256 as 32 hexadecimal digits: the fixed-size stand-in for a canonical key. */
export function digest(key: string): string {
  return createHash('sha256').update(key, 'utf8').digest('hex').slice(0, 32);
}
