// SPDX-License-Identifier: Apache-2.0
import { backend, service, serviceKey, serviceMember, serviceSlot } from '../core/abi/service.ts';
import { addressBytes } from '../core/identity/wire-address.ts';
import type { DesiredBackend, DesiredService } from '../core/state/desired.ts';
import type { Maps } from './maps.ts';
import { type Difference, type Entries, difference, keyBytes, keyText, readEntries } from './typed-map.ts';

export type ServiceMap = 'services' | 'service_slots' | 'service_members';

/** Where the backends of one port of a Service are: their bytes, slot by slot. */
interface Placed {
  readonly slots: readonly string[];
}

/** What the kernel holds of it, beside what it was made from. */
interface Written extends Placed {
  readonly desired: DesiredService;
  readonly entries: Readonly<Record<ServiceMap, Entries>>;
}

/** By the bytes of their keys. */
export type WrittenServices = ReadonlyMap<string, Written>;

const protocolNumber = { TCP: 6, UDP: 17 } as const;
const nothing: Written['entries'] = {
  services: new Map(),
  service_slots: new Map(),
  service_members: new Map(),
};

/** What the maps should hold; a backend stays in the slot that it has among those written before. */
export function placeServices(
  desired: readonly DesiredService[],
  before: ReadonlyMap<string, Placed | Written>,
): WrittenServices {
  return new Map(
    desired.map((one) => {
      const key = keyOf(one);
      const known = before.get(key);
      if (known !== undefined && 'desired' in known && known.desired === one) return [key, known];
      return [key, write(one, known?.slots ?? [])];
    }),
  );
}

/** Which slots the kernel holds, by the bytes of the Service's key. */
export function readSlots(maps: Pick<Maps, ServiceMap>): ReadonlyMap<string, Placed> {
  const slots = new Map<number, string[]>();
  for (const [key, value] of readEntries(maps.service_slots)) {
    const { service: id, slot } = serviceSlot.decode(keyBytes(key));
    const mine = slots.get(id) ?? [];
    mine[slot] = keyText(value);
    slots.set(id, mine);
  }
  const services = [...readEntries(maps.services)];
  return new Map(
    services.map(([key, value]) => [
      key,
      { slots: slots.get(service.decode(value).id)?.filter(isText) ?? [] },
    ]),
  );
}

/** What changes in each map against what is known to be written. */
export function changedServices(
  wanted: WrittenServices,
  known: WrittenServices,
): Readonly<Record<ServiceMap, Difference>> {
  const changed = new Map<string, readonly [Written['entries'], Written['entries']]>();
  for (const [key, one] of wanted) {
    const was = known.get(key);
    if (was !== one) changed.set(key, [one.entries, was?.entries ?? nothing]);
  }
  for (const [key, { entries }] of known) if (!wanted.has(key)) changed.set(key, [nothing, entries]);
  const pairs = [...changed.values()];
  return differences((map) => pairs.map(([to, from]) => [to[map], from[map]]));
}

/** What changes in each map against what the kernel holds. */
export function differentServices(
  wanted: WrittenServices,
  maps: Pick<Maps, ServiceMap>,
): Readonly<Record<ServiceMap, Difference>> {
  const written = [...wanted.values()];
  return differences((map) => [
    [new Map(written.flatMap(({ entries }) => [...entries[map]])), readEntries(maps[map])],
  ]);
}

function differences(
  pairsOf: (map: ServiceMap) => readonly (readonly [Entries, Entries])[],
): Readonly<Record<ServiceMap, Difference>> {
  const of = (map: ServiceMap): Difference => {
    const parts = pairsOf(map).map(([to, from]) => difference(to, from));
    return {
      upsert: parts.flatMap(({ upsert }) => upsert),
      remove: parts.flatMap(({ remove }) => remove),
    };
  };
  return {
    services: of('services'),
    service_slots: of('service_slots'),
    service_members: of('service_members'),
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
    desired,
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
