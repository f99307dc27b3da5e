// SPDX-License-Identifier: Apache-2.0
import type { Names } from '../control/compile/names.ts';
import type { RingReaders } from '../datapath/events.ts';
import type { Native } from '../datapath/native.ts';
import { AddressHolders } from '../observability/address-holders.ts';
import { DnsReader } from '../observability/dns/reader.ts';
import { FlowStore } from '../observability/flow-store.ts';
import { flowNames } from './names-view.ts';
import type { Settings } from './settings.ts';

interface Stored {
  readonly flows: FlowStore;
  readonly holders: AddressHolders;
  readonly dns: DnsReader;
  readonly rings: RingReaders;
}

/** Where flows are kept, who has the addresses that they name, and what workloads call these. */
export function createStore(
  { flowStoreBytes: bytes, denialStoreBytes: denialBytes, redact }: Settings,
  names: Names,
  { FlowWriter: writer }: Native,
): Stored {
  const holders = new AddressHolders();
  const dns = new DnsReader();
  const shown = flowNames(names, { redact, holders, dns: dns.names });
  const flows = new FlowStore({ bytes, denialBytes, names: shown, writer });
  const rings: RingReaders = {
    flows: (records, offsets) => flows.append(records, offsets),
    answers: dns.take,
  };
  return { flows, holders, dns, rings };
}
