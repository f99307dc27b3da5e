// SPDX-License-Identifier: Apache-2.0
import { loadNative } from '../../src/datapath/native.ts';
import { FlowArena } from '../../src/observability/flow-arena.ts';
import { FlowStore, type FlowStoreOptions } from '../../src/observability/flow-store.ts';
import { batch } from './flow-records.ts';

export const { FlowWriter } = loadNative();

/** A store as the agent has it. */
export function createFlowStore(options: Omit<FlowStoreOptions, 'writer'>): FlowStore {
  return new FlowStore({ writer: FlowWriter, ...options });
}

/** Appends records to one ring, whose times stay as they are; denials would go elsewhere. */
export function appender(arena: FlowArena): (...records: readonly Buffer[]) => void {
  const writer = new FlowWriter(arena.memory, new FlowArena(0).memory);
  return (...records) => {
    const { bytes, offsets } = batch(records);
    writer.append(bytes, Uint32Array.from(offsets), 0n, new Uint32Array(records.length));
  };
}
