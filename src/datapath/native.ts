// SPDX-License-Identifier: Apache-2.0
// The only file that loads the addon.

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { FlowWriterClass } from '../core/port/flow-writer.ts';
import { PerigeeError } from '../lib/errors.ts';
import type { HostFacilities } from './native-host-types.ts';
import type { ReactorNoun } from './native-reactor-types.ts';
import type { BpfNouns } from './native-types.ts';

export type * from './native-host-types.ts';
export type * from './native-reactor-types.ts';
export type * from './native-types.ts';

/** What the addon knows of a fault. */
export interface NativeErrorShape {
  readonly code: string;
  /** Positive, as in errno.h. Absent for faults of the caller. */
  readonly errno?: number;
  readonly operation: string;
  readonly object: string;
  /** The source lines, the last instruction and the verifier's reason. */
  readonly verifierSummary?: readonly string[];
  readonly verifierLog?: string;
  /** What libbpf said besides. */
  readonly warnings?: readonly string[];
  /** Entries that a failed batch had processed. */
  readonly done?: number;
}

/** A fault in the addon. Codes: ERR_BPF_*, ERR_SOCKET, ERR_NETNS, ERR_DIAG, ERR_CGROUP, ERR_PROBE, ERR_MOUNT, ERR_LOCK, ERR_NATIVE_*. */
export class NativeError extends PerigeeError {
  declare readonly errno?: number;
  declare readonly operation: string;
  declare readonly verifierSummary?: readonly string[];
  declare readonly verifierLog?: string;
  declare readonly warnings?: readonly string[];
  declare readonly done?: number;

  constructor(message: string, shape: NativeErrorShape) {
    super(shape.code, message, { object: shape.object });
    this.name = 'NativeError';
    const { verifierLog, ...rest } = shape;
    Object.assign(this, rest);
    // A megabyte of log belongs into a file that someone asks for, not into every printed error.
    if (verifierLog !== undefined) Object.defineProperty(this, 'verifierLog', { value: verifierLog });
  }
}

/** Everything the addon offers. */
export interface Native extends BpfNouns, HostFacilities, ReactorNoun {
  readonly FlowWriter: FlowWriterClass;
}

interface Addon extends Native {
  /** The class that this thread's faults are made of. */
  setErrorClass(errorClass: typeof NativeError): void;
}

/** In a checkout, and beside a shipped bundle. */
const addonPlaces = ['../../build/native/Release/perigee.node', './perigee.node', '../native/perigee.node'];

/** Loads the addon for this thread; loading again gives the same one. */
export function loadNative(path: string | undefined = findAddon()): Native {
  const addon = createRequire(import.meta.url)(path) as Addon;
  addon.setErrorClass(NativeError);
  return addon;
}

function findAddon(): string {
  const places = addonPlaces.map((place) => fileURLToPath(new URL(place, import.meta.url)));
  const found = places.find((place) => existsSync(place));
  if (found === undefined) {
    throw new PerigeeError(
      'ERR_NATIVE_MISSING',
      `the native addon isn't built: none of ${places.join(', ')}`,
      {
        hint: 'run `make build`',
      },
    );
  }
  return found;
}
