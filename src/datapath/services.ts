// SPDX-License-Identifier: Apache-2.0
import { backend, service, serviceKey, serviceMember, serviceSlot } from '../core/abi/service.ts';
import { addressBytes, addressOfBytes } from '../core/identity/wire-address.ts';
import { type DesiredBackend, type DesiredService, frontendKey } from '../core/state/desired.ts';
import { PersistentMap } from '../lib/persistent-map.ts';
import type { Maps } from './maps.ts';
import { type Difference, type Entries, difference, keyBytes, keyText, readEntries } from './typed-map.ts';

export type ServiceMap = 'services' | 'service_slots' | 'service_members';

/** What the kernel holds of one port of a Service, beside what it was made from. */
interface Written {
  /** The backends' bytes, slot by slot. */
  readonly slots: readonly string[];
  readonly entries: Readonly<Record<ServiceMap, Entries>>;
}

/** What the kernel holds, and what it was made from, both by `frontendKey`. */
export interface WrittenServices {
  readonly desired: PersistentMap<DesiredService>;
  readonly written: PersistentMap<Written>;
}

const protocolNumber = { TCP: 6, UDP: 17 } as const;

/**
 * What the maps should hold; a backend stays in the slot that it has among those written before.
 * @param slotsOf of a frontend, where that is known otherwise
 */
export function placeServices(
  desired: PersistentMap<DesiredService>,
  before: WrittenServices = { desired: PersistentMap.empty(), written: PersistentMap.empty() },
  slotsOf = (key: string): readonly string[] => before.written.get(key)?.slots ?? [],
): WrittenServices {
  const changes = desired.changesSince(before.desired);
  const written = changes.map(
    ({ key, is }) => [key, is === undefined ? undefined : write(is, slotsOf(key))] as const,
  );
  return { desired, written: before.written.with(written) };
}

/** Which slots the kernel holds, by `frontendKey`. */
export function readSlots(maps: Pick<Maps, ServiceMap>): (key: string) => readonly string[] {
  const slots = new Map<number, string[]>();
  for (const [key, value] of readEntries(maps.service_slots)) {
    const { service: id, slot } = serviceSlot.decode(keyBytes(key));
    const mine = slots.get(id) ?? [];
    mine[slot] = keyText(value);
    slots.set(id, mine);
  }
  const services = Array.from(readEntries(maps.services), ([text, value]) => {
    const { address: bytes, port, protocol: number } = serviceKey.decode(keyBytes(text));
    const protocol = number === protocolNumber.UDP ? 'UDP' : 'TCP';
    const key = frontendKey({ address: addressOfBytes(bytes), port, protocol });
    return [key, slots.get(service.decode(value).id)?.filter(isText) ?? []] as const;
  });
  const byKey = new Map(services);
  return (key) => byKey.get(key) ?? [];
}

/** What changes in each map against what is known to be written. */
export function changedServices(
  wanted: WrittenServices,
  known: WrittenServices,
): Readonly<Record<ServiceMap, Difference>> {
  const changes = wanted.written.changesSince(known.written);
  const [now, before] = [changes.map(({ is }) => is), changes.map(({ was }) => was)];
  // All at once: a Service that takes another address has slots and members by the same keys, under another frontend.
  return differences((map) => [entriesOf(now, map), entriesOf(before, map)]);
}

/** What changes in each map against what the kernel holds. */
export function differentServices(
  { written }: WrittenServices,
  maps: Pick<Maps, ServiceMap>,
): Readonly<Record<ServiceMap, Difference>> {
  return differences((map) => [entriesOf(written.values(), map), readEntries(maps[map])]);
}

function entriesOf(written: Iterable<Written | undefined>, map: ServiceMap): Entries {
  const all: Entries = new Map();
  for (const one of written) for (const [key, value] of one?.entries[map] ?? []) all.set(key, value);
  return all;
}

function differences(
  pairOf: (map: ServiceMap) => readonly [Entries, Entries],
): Readonly<Record<ServiceMap, Difference>> {
  return {
    services: difference(...pairOf('services')),
    service_slots: difference(...pairOf('service_slots')),
    service_members: difference(...pairOf('service_members')),
  };
}

function write(desired: DesiredService, before: readonly string[]): Written {
  const { id, affinitySeconds: affinity, picked, kept } = desired;
  const slots = assignSlots(before, picked.map(backendText));
  const value = service.encode({ id, backends: slots.length, affinity });
  const member = (one: DesiredBackend, isPicked: boolean): [string, Uint8Array] => {
    const key = serviceMember.encode({ address: addressBytes(one.address), port: one.port, service: id });
    return [keyText(key), Uint8Array.of(isPicked ? 1 : 0, 0, 0, 0)];
  };
  return {
    slots,
    entries: {
      services: new Map([[keyOf(desired), value]]),
      service_slots: new Map(
        slots.map((text, slot) => [keyText(serviceSlot.encode({ service: id, slot })), keyBytes(text)]),
      ),
      service_members: new Map([
        ...kept.map((one) => member(one, false)),
        ...picked.map((one) => member(one, true)),
      ]),
    },
  };
}

/** The fewest writes: who stays keeps its slot, unless that lies beyond the new end. */
export function assignSlots(before: readonly string[], wanted: readonly string[]): string[] {
  const missing = new Set(wanted);
  const slots = wanted.map((_, slot) => {
    const text = before[slot];
    return text !== undefined && missing.delete(text) ? text : undefined;
  });
  const rest = missing.values();
  return slots.map((text) => text ?? rest.next().value ?? '');
}

function keyOf({ address, port, protocol }: DesiredService): string {
  return keyText(
    serviceKey.encode({ address: addressBytes(address), port, protocol: protocolNumber[protocol] }),
  );
}

function backendText({ address, port }: DesiredBackend): string {
  return keyText(backend.encode({ address: addressBytes(address), port }));
}

const isText = (text: string | undefined): text is string => text !== undefined;
