// SPDX-License-Identifier: Apache-2.0
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const LOOK_MS = 1000;
/**
 * Looks in a row that find nobody: the other one takes the socket a moment after it has asked for it, is started anew if
 * it fails, or is of another layout and has a socket of its own, and then this one is soon removed.
 */
const MISSES = 30;

function isServed(control: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(control);
    const end = (served: boolean): void => {
      socket.destroy();
      resolve(served);
    };
    socket.once('connect', () => end(true)).once('error', () => end(false));
  });
}

/** Waits while another proxy serves a control socket; until none has for half a minute, or the signal comes. */
export async function standBy(control: string, signal: AbortSignal, lookMs = LOOK_MS): Promise<void> {
  for (let misses = 0; misses < MISSES && !signal.aborted;) {
    await sleep(lookMs, undefined, { signal }).catch(() => undefined);
    misses = (await isServed(control)) ? 0 : misses + 1;
  }
}
