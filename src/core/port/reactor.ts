// SPDX-License-Identifier: Apache-2.0

/**
 * Batched socket I/O for the proxy. One reactor belongs to one worker. In each turn it gathers what happened
 * on all sockets into `events`, received bytes into `slab`, and calls `onBatch` once; commands queued in that
 * call (or outside of it) are carried out in order when it returns. JavaScript crosses into native code once a
 * turn, not once an operation.
 *
 * A socket is named by its slot: a small integer that carries a generation, so a late command for a closed
 * socket is dropped, never sent to its successor. After close() or reset() nothing more is reported of a slot, but
 * for events of the same batch that stand behind: owners look slots up with their generation.
 */

/** `events` holds `count` quadruples: kind, slot, a, b. */
export const EVENT_STRIDE = 4;

/** The low bits of a slot count from 0 to `sockets` - 1 and index the owner's tables; the rest is a generation. */
export const SLOT_INDEX_BITS = 20;

/** A slot's index. No two live slots share one, and it isn't reused before the batch that reports `failed` is over. */
export function slotIndex(slot: number): number {
  return slot & ((1 << SLOT_INDEX_BITS) - 1);
}

export const ReactorEvent = {
  /** A listener accepted a connection: slot = new slot, a = listener's tag, b = fd (valid until close). */
  accepted: 1,
  /** connect() ended: a = 0, or errno: then the socket is closed and the slot is gone. */
  connected: 2,
  /** Bytes arrived: a = offset in slab, b = length. Valid during onBatch only. */
  data: 3,
  /** The peer sent FIN: nothing more will arrive. The slot stays until closed. */
  end: 4,
  /** The socket failed (a = errno) and is closed; the slot is gone. */
  failed: 5,
  /** All queued output has been handed to the kernel after a send did not fit (see `queued`). */
  drained: 6,
  /** A queue grew over the high-water mark: a = bytes queued. The owner should pause the other side. */
  congested: 7,
  /** A relay ended: a = 0 or the errno that `slot` met, b = the other slot. Both are closed and gone. */
  relayEnded: 8,
} as const;

export interface ReactorLimits {
  /** Sockets at most. */
  readonly sockets: number;
  /** Bytes of one read at most. */
  readonly readBytes: number;
  /** Sockets read in one turn at most; slab has readBytes × turnSockets bytes. */
  readonly turnSockets: number;
  /** Connections accepted in one turn at most; 64 unless told. */
  readonly turnAccepts?: number;
  /** Output bytes queued on one socket before `congested` is raised. */
  readonly highWater: number;
  /** Output bytes queued on one socket at most; beyond, the send fails and the socket is closed with ENOBUFS. */
  readonly queueBytes: number;
  /** How long close() waits for the peer's FIN, draining its input; 2 s unless told. */
  readonly lingerMs?: number;
  /** How long close() lets queued output stand still before it resets the connection; 30 s unless told. */
  readonly stallMs?: number;
}

export interface Reactor {
  readonly events: Int32Array;
  /** Received bytes of this turn. */
  readonly slab: Uint8Array;
  /** Scratch for bytes that the owner makes up in this turn (rewritten heads, refusals); reset each turn. */
  readonly outbox: Uint8Array;

  /** Accepts from a listening fd (shared by all workers, hence EPOLLEXCLUSIVE); `tag` comes back in events. */
  listen(fd: number, tag: number): void;
  /** Stops accepting from it; does not close the fd. */
  unlisten(fd: number): void;
  /** Takes over a connected, connecting or unconnected stream socket. Returns its slot. If it throws, the fd stays yours. */
  adopt(fd: number): number;
  /** Starts to connect an adopted socket: 16-byte address (IPv4 mapped), host-order port, family of the socket 4 or 6. */
  connect(slot: number, address: Uint8Array, port: number, family: number): void;

  /** Queues bytes of `slab`. */
  send(slot: number, offset: number, length: number): void;
  /** Copies bytes into `outbox` and queues them; for made-up heads. Any length, at any time. */
  sendBytes(slot: number, bytes: Uint8Array, start: number, end: number): void;
  /**
   * Room in `outbox` for bytes written in place, at most the outbox's length: returns their offset. Follow up with
   * `sendReserved` before any other command: a full command queue or outbox is flushed, which resets the outbox.
   */
  reserve(length: number): number;
  /** Queues bytes of `outbox`. */
  sendReserved(slot: number, offset: number, length: number): void;
  /** Sends FIN after everything queued. */
  shutdown(slot: number): void;
  /** Closes after everything queued was handed to the kernel (lingering at most `lingerMs`, draining input). */
  close(slot: number): void;
  /** Closes at once with RST, dropping what is queued. */
  reset(slot: number): void;
  /** Stops, or goes on, reading from a socket (back-pressure). */
  pause(slot: number): void;
  resume(slot: number): void;
  /**
   * Hands both sockets to native code, which carries bytes and FINs both ways until both ends are done or one fails;
   * the only event is `relayEnded`. What is queued goes out first; data that the running batch still reports of them is
   * the owner's to send. close() or reset() of one ends both, without event.
   */
  relay(slot: number, other: number): void;
  /** Bytes received on a socket since it is relayed; valid until the batch that reports `relayEnded` is over. */
  relayed(slot: number): number;
  /** Output bytes waiting on a socket. */
  queued(slot: number): number;
  /** Underlying descriptor, -1 when gone. */
  fd(slot: number): number;

  /** Carries queued commands out now (they are flushed at the end of each onBatch anyway). */
  flush(): void;
  /** Called with the number of events. Set once, before the first listen or adopt. */
  onBatch: (count: number) => void;
  /** Sockets open and bytes queued in total. */
  readonly stats: { readonly sockets: number; readonly queuedBytes: number };
  destroy(): void;
}
