// SPDX-License-Identifier: Apache-2.0
import { announcement, steering } from '../core/abi/connection.ts';
import type { Maps } from './maps.ts';
import { keyBytes, readEntries } from './typed-map.ts';
import type { SocketWalk } from './walk.ts';

/** Where an entry says which socket it waits for: its cookie. */
interface Place {
  readonly in: 'key' | 'value';
  readonly offset: number;
}

/** Entries that live as long as a socket, and the storage that this socket has an entry in. */
const waiting = [
  {
    map: 'announcements',
    storage: 'own_sockets',
    cookie: { in: 'value', offset: announcement.offset.proxyCookie },
  },
  {
    map: 'handoff',
    storage: 'client_steering',
    cookie: { in: 'value', offset: steering.offset.clientCookie },
  },
  // The kernel leaves those that a close finds in use.
  { map: 'boosted_streams', storage: 'streams', cookie: { in: 'key', offset: 0 } },
] as const;

function cookieOf(place: Place, key: Uint8Array, value: Uint8Array): bigint {
  const bytes = place.in === 'key' ? key : value;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).readBigUInt64LE(place.offset);
}

/**
 * Removes what a killed proxy announced, and what a client handed over that nobody accepted: the next connection
 * with the same addresses would be taken for it. And streams of boosted connections that are closed. Returns how many there
 * were. An entry is written when its socket is there already, so one whose socket isn't among the living afterwards is stale.
 */
export function removeStale(maps: Maps, walk: SocketWalk): number {
  let removed = 0;
  for (const { map, storage, cookie } of waiting) {
    const entries = readEntries(maps[map]);
    if (entries.size === 0) continue;
    const living = walk.cookies(maps[storage]);
    for (const [text, value] of entries) {
      const key = keyBytes(text);
      if (!living.has(cookieOf(cookie, key, value)) && maps[map].delete(key)) removed += 1;
    }
  }
  return removed;
}
