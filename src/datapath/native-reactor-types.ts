// SPDX-License-Identifier: Apache-2.0
// The addon's surface: the socket reactor. Records and constants are those of native/src/reactor_protocol.h.

import type { ReactorLimits } from '../core/port/reactor.ts';

/** All arrays are shared with native code and live as long as the object. */
export interface NativeReactor {
  readonly slab: Uint8Array<ArrayBuffer>;
  /** Follows the slab in the same memory: offsets of commands count from the slab's start. */
  readonly outbox: Uint8Array<ArrayBuffer>;
  readonly events: Int32Array<ArrayBuffer>;
  /** Quadruples: operation, slot, a, b. */
  readonly commands: Int32Array<ArrayBuffer>;
  /** Commands queued, outbox bytes used; native code sets both to 0 when it has carried the commands out. */
  readonly control: Int32Array<ArrayBuffer>;
  /** By slot index: slot (0 if none), fd, bytes queued, unused. */
  readonly table: Int32Array<ArrayBuffer>;
  /** By slot index: bytes received since the socket is relayed. */
  readonly relayed: Float64Array<ArrayBuffer>;
  /** Sockets, bytes queued, turns, batches. */
  readonly stats: Float64Array<ArrayBuffer>;

  /** The reactor's own TCP_NODELAY and O_NONBLOCK go to the socket. */
  listen(fd: number, tag: number): void;
  unlisten(fd: number): void;
  adopt(fd: number): number;
  flush(): void;
  /** Closes all sockets; can be called again. */
  destroy(): void;
}

/** `onBatch` is called on this thread's loop; an exception in it is an uncaught one. */
export type NativeReactorClass = new (
  limits: Required<ReactorLimits>,
  onBatch: (count: number) => void,
) => NativeReactor;

export interface ReactorNoun {
  readonly Reactor: NativeReactorClass;
}
