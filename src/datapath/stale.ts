// SPDX-License-Identifier: Apache-2.0
import { announcement, steering } from '../core/abi/connection.ts';
import type { Maps } from './maps.ts';
import { keyBytes, readEntries } from './typed-map.ts';
import type { SocketWalk } from './walk.ts';

/** Entries between two hooks, and the socket that each of them waits for: map, its storage, where its cookie is. */
const waiting = [
  { map: 'announcements', storage: 'own_sockets', offset: announcement.offset.proxyCookie },
  { map: 'handoff', storage: 'client_steering', offset: steering.offset.clientCookie },
] as const;

/**
 * Removes what a killed proxy announced, and what a client handed over that nobody accepted: the next connection
 * with the same addresses would be taken for it. Returns how many there were. An entry is written when its socket
 * is there already, so one whose socket isn't among the living afterwards is stale.
 */
export function removeStale(maps: Maps, walk: SocketWalk): number {
  let removed = 0;
  for (const { map, storage, offset } of waiting) {
    const entries = readEntries(maps[map]);
    if (entries.size === 0) continue;
    const living = walk.cookies(maps[storage]);
    for (const [key, value] of entries) {
      const cookie = Buffer.from(value.buffer, value.byteOffset, value.byteLength).readBigUInt64LE(offset);
      if (!living.has(cookie) && maps[map].delete(keyBytes(key))) removed += 1;
    }
  }
  return removed;
}
