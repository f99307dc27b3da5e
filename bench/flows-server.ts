// SPDX-License-Identifier: Apache-2.0
// The flow API over a store of many flows, in a process of its own as the agent is.
// usage: flows-server.ts SOCKET FLOWS; prints one line of JSON when it serves
import { reason } from '../src/core/abi/reason.ts';
import { flowRecord } from '../src/core/abi/flow.ts';
import { startFakeAgent } from '../test/support/fake-agent.ts';
import { batch, mapped, record, type RecordFields } from '../test/support/flow-records.ts';
import { rare, type ServerFacts } from './flows-rows.ts';

/** One batch: what a drain of the ring brings at 20,000 flows a second. */
const BATCH = 1000;
/** A million flows of this size, with room: nothing is overwritten. */
const BYTES_PER_FLOW = 256;

/** Requests as a busy node has them, one in `rare.oneIn` of which is special in every way that can be asked for. */
function fields(index: number): RecordFields {
  if (index % rare.oneIn === rare.oneIn / 2) {
    return {
      method: 'DELETE',
      urlPath: rare.path,
      host: 'api.shop',
      status: rare.status,
      reason: reason[rare.reason],
      sourceWorkload: 3,
      sourceIdentity: 103,
      sourceAddress: mapped(rare.address),
      destinationPort: rare.port,
      sourcePort: 1024 + (index % 60_000),
    };
  }
  return {
    method: index % 5 === 0 ? 'POST' : 'GET',
    urlPath: `/orders/${String(index % 5000)}`,
    host: 'api.shop',
    status: index % 50 === 0 ? 404 : 200,
    sourceAddress: mapped(`10.0.${String(index % 7)}.${String(index % 250)}`),
    sourcePort: 1024 + (index % 60_000),
  };
}

const [socketPath = '', count = ''] = process.argv.slice(2);
const flows = Number(count);
const { store } = await startFakeAgent({ socketPath, storeBytes: flows * BYTES_PER_FLOW });

/** Fills the store; returns how long that took the store itself, ms. */
function fill(): number {
  let spent = 0;
  for (let start = 0; start < flows; start += BATCH) {
    const records = Array.from({ length: Math.min(BATCH, flows - start) }, (_, index) =>
      record({ ...fields(start + index), connection: BigInt(start + index), time: process.hrtime.bigint() }),
    );
    const { bytes, offsets } = batch(records);
    const before = performance.now();
    store.append(bytes, offsets);
    spent += performance.now() - before;
  }
  return spent;
}

const spent = fill();
const { stored, bytes, capacityBytes } = store.stats();
const facts: ServerFacts = {
  stored,
  bytes,
  capacityBytes,
  recordBytes: flowRecord.size,
  appendNs: (spent / flows) * 1e6,
};
console.log(JSON.stringify(facts));
