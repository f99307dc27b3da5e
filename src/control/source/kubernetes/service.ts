// SPDX-License-Identifier: Apache-2.0
import type {
  Endpoint,
  EndpointSlice,
  Service,
  ServicePort,
  ServiceProtocol,
} from '../../../core/service/service.ts';
import type { ApiObject } from './api.ts';

interface PortObject {
  readonly name?: string;
  readonly port?: number;
  readonly protocol?: string;
}

interface ServiceSpec {
  readonly type?: string;
  readonly clusterIP?: string;
  readonly clusterIPs?: readonly string[];
  readonly ports?: readonly PortObject[];
  readonly sessionAffinity?: string;
  readonly sessionAffinityConfig?: { readonly clientIP?: { readonly timeoutSeconds?: number } };
  readonly internalTrafficPolicy?: string;
}

interface SliceObject extends ApiObject {
  readonly addressType?: string;
  readonly ports?: readonly PortObject[];
  readonly endpoints?: readonly {
    readonly addresses?: readonly string[];
    readonly conditions?: {
      readonly ready?: boolean;
      readonly serving?: boolean;
      readonly terminating?: boolean;
    };
    readonly nodeName?: string;
    readonly hints?: {
      readonly forZones?: readonly { readonly name: string }[];
      readonly forNodes?: readonly { readonly name: string }[];
    };
  }[];
}

/** Kubernetes' default, seconds. */
const AFFINITY_SECONDS = 10_800;

/** Undefined: it has no address of its own (headless, ExternalName). */
export function serviceOf({ metadata, spec }: ApiObject): Service | undefined {
  const { type, clusterIP, clusterIPs, ports, ...more } = (spec ?? {}) as ServiceSpec;
  const addresses = (clusterIPs ?? [clusterIP]).filter(isAddress);
  if (type === 'ExternalName' || addresses.length === 0) return undefined;
  const { sessionAffinity, sessionAffinityConfig, internalTrafficPolicy } = more;
  return {
    namespace: metadata.namespace ?? '',
    name: metadata.name,
    addresses,
    ports: (ports ?? []).flatMap(portOf),
    affinitySeconds:
      sessionAffinity === 'ClientIP'
        ? (sessionAffinityConfig?.clientIP?.timeoutSeconds ?? AFFINITY_SECONDS)
        : 0,
    local: internalTrafficPolicy === 'Local',
  };
}

/** Undefined: it belongs to no Service, or names hosts instead of addresses. */
export function sliceOf(object: ApiObject): EndpointSlice | undefined {
  const { metadata, addressType, ports, endpoints } = object as SliceObject;
  const name = metadata.labels?.['kubernetes.io/service-name'];
  if (name === undefined || (addressType !== 'IPv4' && addressType !== 'IPv6')) return undefined;
  return {
    service: `${metadata.namespace ?? ''}/${name}`,
    family: addressType === 'IPv4' ? 4 : 6,
    ports: (ports ?? []).flatMap(portOf),
    endpoints: (endpoints ?? []).map(endpointOf),
  };
}

/** Conditions that are missing mean what the API says of them: an endpoint is ready unless somebody says otherwise. */
function endpointOf(endpoint: NonNullable<SliceObject['endpoints']>[number]): Endpoint {
  const { addresses = [], conditions = {}, nodeName = '', hints = {} } = endpoint;
  const ready = conditions.ready ?? true;
  return {
    addresses: addresses.slice(0, 1),
    ready,
    serving: conditions.serving ?? ready,
    terminating: conditions.terminating ?? false,
    node: nodeName,
    zones: (hints.forZones ?? []).map((zone) => zone.name).sort(),
    nodes: (hints.forNodes ?? []).map((node) => node.name).sort(),
  };
}

function portOf({ name = '', port, protocol = 'TCP' }: PortObject): ServicePort[] {
  return port === undefined || !isResolved(protocol) ? [] : [{ name, port, protocol }];
}

const isResolved = (protocol: string): protocol is ServiceProtocol =>
  protocol === 'TCP' || protocol === 'UDP';
const isAddress = (text: string | undefined): text is string =>
  text !== undefined && text !== '' && text !== 'None';
