// SPDX-License-Identifier: Apache-2.0
import { setImmediate } from 'node:timers/promises';
import type { Logger } from 'pino';
import { flowRecord } from '../core/abi/flow.ts';
import type { FlowStore } from '../observability/flow-store.ts';
import { RepeatFilter, warnRepeated } from './log.ts';

const { offset, size } = flowRecord;

/** The records, one behind the other, of connections that have been open for so long, ns. */
export function olderThan(records: Buffer, age: bigint): Buffer[] {
  const count = Math.floor(records.length / size);
  const all = Array.from({ length: count }, (_, index) => records.subarray(index * size, (index + 1) * size));
  return all.filter((record) => record.readBigUInt64LE(offset.duration) >= age);
}

export interface OpenFlowsParts {
  /** Records of each namespace, found when they are asked for. */
  readonly datapath: { readonly openFlows: () => Iterable<Buffer> };
  readonly flows: Pick<FlowStore, 'append'>;
  readonly log: Logger;
  /** From one look to the next, and the age from which a connection is told of; 0: never. */
  readonly seconds: number;
}

/** Between two namespaces other work of the agent gets its turn. */
async function look({ datapath, flows, seconds }: OpenFlowsParts, signal: AbortSignal): Promise<void> {
  for (const all of datapath.openFlows()) {
    const records = olderThan(all, BigInt(seconds) * 1_000_000_000n);
    const offsets = Array.from({ length: records.length + 1 }, (_, index) => index * size);
    flows.append(Buffer.concat(records), offsets);
    await setImmediate();
    if (signal.aborted) return;
  }
}

/**
 * Connections that have been open for longer than the interval get a record at the end of each, with what they have carried
 * so far: one look after the other, so that the records of a look are the state of the node.
 */
export function recordOpen(parts: OpenFlowsParts, signal: AbortSignal): void {
  const { log, seconds } = parts;
  if (seconds === 0 || signal.aborted) return;
  const repeats = new RepeatFilter();
  let isLooking = false;
  const begin = async (): Promise<void> => {
    if (isLooking) return;
    isLooking = true;
    try {
      await look(parts, signal);
    } catch (error) {
      warnRepeated(log, repeats, 'open', 'could not look at open connections; tried again', error);
    } finally {
      isLooking = false;
    }
  };
  const timer = setInterval(() => void begin(), seconds * 1000);
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
}
