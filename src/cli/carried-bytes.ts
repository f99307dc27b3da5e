// SPDX-License-Identifier: Apache-2.0
import type { Flow } from '../core/flow.ts';

/** What a flow adds to a sum of bytes. A close has all that its connection carried, its requests included: each byte once. */
export function carriedBytes({ kind, bytesSent, bytesReceived }: Flow): number {
  return kind === 'close' ? bytesSent + bytesReceived : 0;
}
