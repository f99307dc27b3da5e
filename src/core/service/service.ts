// SPDX-License-Identifier: Apache-2.0
import type { PersistentMap } from '../../lib/persistent-map.ts';

/** Transports of Services that are resolved; SCTP is left to others. */
export type ServiceProtocol = 'TCP' | 'UDP';

export interface ServicePort {
  /** Empty: the Service's only one. */
  readonly name: string;
  readonly port: number;
  readonly protocol: ServiceProtocol;
}

/** A Service that has addresses of its own, as far as it must be known. */
export interface Service {
  readonly namespace: string;
  readonly name: string;
  /** One for each family that it has. */
  readonly addresses: readonly string[];
  readonly ports: readonly ServicePort[];
  /** How long a client stays with its backend after each connection, seconds; 0: it need not. */
  readonly affinitySeconds: number;
  /** Backends of the client's node alone (internalTrafficPolicy: Local). */
  readonly local: boolean;
}

export interface Endpoint {
  /** All of the same backend; the first one counts. */
  readonly addresses: readonly string[];
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly node: string;
  /** Whose clients it is meant for; empty: it has no such hint. */
  readonly zones: readonly string[];
  readonly nodes: readonly string[];
}

/** A part of a Service's endpoints, of one family and with ports of their own. */
export interface EndpointSlice {
  /** `namespace/name` of the Service. */
  readonly service: string;
  readonly family: 4 | 6;
  readonly ports: readonly ServicePort[];
  readonly endpoints: readonly Endpoint[];
}

/** Where clients are. */
export interface Place {
  readonly node: string;
  /** Empty: none is known. */
  readonly zone: string;
}

/** All Services at one moment. */
export interface ServiceSet {
  /** By `namespace/name`. */
  readonly services: PersistentMap<Service>;
  /** Named in any way. */
  readonly slices: PersistentMap<EndpointSlice>;
  readonly place: Place;
}

/** What a numeric name of a Service stands for: one port in one family. */
export interface ServiceRef {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
  readonly protocol: ServiceProtocol;
  readonly family: 4 | 6;
}
