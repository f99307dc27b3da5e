// SPDX-License-Identifier: Apache-2.0
import { type Change, PersistentMap } from '../../lib/persistent-map.ts';
import { parseAddress } from '../../core/identity/address.ts';
import { type Backend, backendsOf } from '../../core/service/backends.ts';
import type { EndpointSlice, Place, Service, ServicePort, ServiceSet } from '../../core/service/service.ts';
import { type DesiredBackend, type DesiredService, frontendKey } from '../../core/state/desired.ts';
import type { Names } from './names.ts';

type Frontends = ReadonlyMap<string, DesiredService>;

const nowhere: Place = { node: '', zone: '' };

/** Compiles one set of Services after the other: only those that a change touches. */
export class ServiceCompiler {
  readonly #names: Names;
  #set: ServiceSet = { services: PersistentMap.empty(), slices: PersistentMap.empty(), place: nowhere };
  /** The slices of each Service, by their names. */
  readonly #slices = new Map<string, Map<string, EndpointSlice>>();
  /** What became of each Service. */
  readonly #made = new Map<string, Frontends>();
  /** Names of the Services that claim a frontend. */
  readonly #claims = new Map<string, Set<string>>();
  #desired = PersistentMap.empty<DesiredService>();

  constructor(names: Names) {
    this.#names = names;
  }

  compile(set: ServiceSet): PersistentMap<DesiredService> {
    const before = this.#set;
    this.#set = set;
    const touched = new Set(set.services.changesSince(before.services).map(({ key }) => key));
    for (const change of set.slices.changesSince(before.slices))
      for (const service of this.#takeSlice(change)) touched.add(service);
    const { node, zone } = set.place;
    if (node !== before.place.node || zone !== before.place.zone)
      for (const key of set.services.keys()) touched.add(key);
    // In order, so that numbers that are new do not depend on that of the objects.
    const frontends = [...touched].sort().flatMap((key) => this.#remake(key));
    this.#desired = this.#desired.with(frontends.map((frontend) => [frontend, this.#winner(frontend)]));
    return this.#desired;
  }

  /** Names of the Services that it belongs to, or did. */
  #takeSlice({ key, was, is }: Change<EndpointSlice>): string[] {
    if (was !== undefined) {
      const slices = this.#slices.get(was.service);
      slices?.delete(key);
      if (slices?.size === 0) this.#slices.delete(was.service);
    }
    if (is !== undefined) {
      const slices = this.#slices.get(is.service) ?? new Map<string, EndpointSlice>();
      this.#slices.set(is.service, slices.set(key, is));
    }
    return [was?.service, is?.service].filter((service) => service !== undefined);
  }

  /** @returns the frontends that it has, or had */
  #remake(key: string): string[] {
    const service = this.#set.services.get(key);
    const before = this.#made.get(key);
    const made = service === undefined ? undefined : this.#frontends(service, key);
    if (made === undefined) this.#made.delete(key);
    else this.#made.set(key, made);
    for (const frontend of before?.keys() ?? []) {
      const claims = this.#claims.get(frontend);
      claims?.delete(key);
      if (claims?.size === 0) this.#claims.delete(frontend);
    }
    for (const frontend of made?.keys() ?? []) {
      const claims = this.#claims.get(frontend) ?? new Set();
      this.#claims.set(frontend, claims.add(key));
    }
    return [...(before?.keys() ?? []), ...(made?.keys() ?? [])];
  }

  /** The API server gives no address twice; of two that have it for a moment the last by name counts. */
  #winner(frontend: string): DesiredService | undefined {
    const key = [...(this.#claims.get(frontend) ?? [])].sort().at(-1);
    return key === undefined ? undefined : this.#made.get(key)?.get(frontend);
  }

  #frontends(service: Service, key: string): Frontends {
    const slices = [...(this.#slices.get(key)?.values() ?? [])];
    const all = service.addresses.flatMap((text) => {
      const address = parseAddress(text);
      if (address === undefined) return [];
      const mine = slices.filter(({ family }) => family === address.family);
      return service.ports.map((port): DesiredService => {
        const { picked, kept } = backendsOf(service, port, mine, this.#set.place);
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
    return new Map(all.map((one) => [frontendKey(one), one]));
  }

  #number({ namespace, name }: Service, { port, protocol }: ServicePort, family: 4 | 6): number {
    return this.#names.service({ namespace, name, port, protocol, family });
  }
}

function desiredBackend({ address: text, port }: Backend): DesiredBackend[] {
  const address = parseAddress(text);
  return address === undefined ? [] : [{ address, port }];
}
