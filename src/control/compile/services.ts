// SPDX-License-Identifier: Apache-2.0
import { parseAddress } from '../../core/identity/address.ts';
import { type Backend, backendsOf } from '../../core/service/backends.ts';
import type { EndpointSlice, Place, Service, ServicePort, ServiceSet } from '../../core/service/service.ts';
import type { DesiredBackend, DesiredService } from '../../core/state/desired.ts';
import type { Names } from './names.ts';

interface Known {
  readonly slices: readonly EndpointSlice[];
  readonly place: Place;
  readonly desired: readonly DesiredService[];
}

/** Compiles one set of Services after the other: one whose objects stay the same stays the same. */
export class ServiceCompiler {
  readonly #names: Names;
  #known = new Map<Service, Known>();

  constructor(names: Names) {
    this.#names = names;
  }

  /** Sorted by name, so that the order of objects means nothing. */
  compile({ services, slices, place }: ServiceSet): DesiredService[] {
    const byService = Map.groupBy(slices, ({ service }) => service);
    const before = this.#known;
    this.#known = new Map();
    const sorted = [...services].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
    return sorted.flatMap((service) => {
      const mine = byService.get(keyOf(service)) ?? [];
      const known = before.get(service);
      const same = known !== undefined && isSamePlace(known.place, place) && isSameList(known.slices, mine);
      const desired = same ? known.desired : this.#service(service, mine, place);
      this.#known.set(service, { slices: mine, place, desired });
      return desired;
    });
  }

  #service(service: Service, slices: readonly EndpointSlice[], place: Place): DesiredService[] {
    return service.addresses.flatMap((text) => {
      const address = parseAddress(text);
      if (address === undefined) return [];
      const mine = slices.filter(({ family }) => family === address.family);
      return service.ports.map((port) => {
        const { picked, kept } = backendsOf(service, port, mine, place);
        return {
          id: this.#number(service, port, address.family),
          address,
          port: port.port,
          protocol: port.protocol,
          affinitySeconds: service.affinitySeconds,
          picked: picked.flatMap(desiredBackend),
          kept: kept.flatMap(desiredBackend),
        };
      });
    });
  }

  #number({ namespace, name }: Service, { port, protocol }: ServicePort, family: 4 | 6): number {
    return this.#names.service({ namespace, name, port, protocol, family });
  }
}

function desiredBackend({ address: text, port }: Backend): DesiredBackend[] {
  const address = parseAddress(text);
  return address === undefined ? [] : [{ address, port }];
}

const keyOf = ({ namespace, name }: Service): string => `${namespace}/${name}`;
const isSamePlace = (a: Place, b: Place): boolean => a.node === b.node && a.zone === b.zone;

function isSameList<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((one, index) => one === b[index]);
}
