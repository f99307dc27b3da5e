// SPDX-License-Identifier: Apache-2.0
import type { NamedPort } from '../../../core/workload/workload.ts';
import type { ApiObject } from './api.ts';

/** What is kept of a pod. */
export interface Pod {
  readonly namespace: string;
  readonly name: string;
  /** As the cgroups of its processes are called. */
  readonly uid: string;
  /** Empty until it is scheduled. */
  readonly node: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  readonly hostNetwork: boolean;
  readonly addresses: readonly string[];
  readonly ports: readonly NamedPort[];
  /** TCP ports that the kubelet probes, sorted. */
  readonly probes: readonly number[];
}

interface Handler {
  readonly port?: number | string;
}

interface Probe {
  readonly httpGet?: Handler;
  readonly tcpSocket?: Handler;
  readonly grpc?: Handler;
}

interface Container {
  readonly ports?: readonly {
    readonly name?: string;
    readonly containerPort: number;
    readonly protocol?: string;
  }[];
  readonly livenessProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly startupProbe?: Probe;
  readonly lifecycle?: { readonly postStart?: Probe; readonly preStop?: Probe };
}

interface PodObject extends Omit<ApiObject, 'metadata' | 'spec' | 'status'> {
  readonly metadata: ApiObject['metadata'] & { readonly annotations?: Readonly<Record<string, string>> };
  readonly spec?: {
    readonly nodeName?: string;
    readonly serviceAccountName?: string;
    readonly hostNetwork?: boolean;
    readonly containers?: readonly Container[];
    readonly initContainers?: readonly Container[];
  };
  readonly status?: {
    readonly phase?: string;
    readonly podIP?: string;
    readonly podIPs?: readonly { readonly ip?: string }[];
  };
}

/** Undefined: its processes have ended, and its addresses may be somebody else's by now. */
export function podOf(object: ApiObject): Pod | undefined {
  const { metadata, spec = {}, status = {} } = object as PodObject;
  if (status.phase === 'Succeeded' || status.phase === 'Failed') return undefined;
  const { namespace = '', name, uid = '', labels = {}, annotations = {} } = metadata;
  // Sidecars are init containers that stay.
  const containers = [...(spec.containers ?? []), ...(spec.initContainers ?? [])];
  const ips = status.podIPs?.map(({ ip }) => ip) ?? [status.podIP];
  return {
    namespace,
    name,
    // A static pod is known to the kubelet by another name than to the API server.
    uid: annotations['kubernetes.io/config.hash'] ?? uid,
    node: spec.nodeName ?? '',
    labels,
    serviceAccount: spec.serviceAccountName ?? 'default',
    hostNetwork: spec.hostNetwork ?? false,
    addresses: ips.flatMap((ip) => (ip === undefined || ip === '' ? [] : [ip])),
    ports: containers.flatMap(namedPorts),
    probes: [...new Set(containers.flatMap(probedPorts))].sort((a, b) => a - b),
  };
}

function namedPorts({ ports = [] }: Container): NamedPort[] {
  return ports.flatMap(({ name, containerPort: port, protocol = 'TCP' }) =>
    name === undefined || (protocol !== 'TCP' && protocol !== 'UDP') ? [] : [{ name, port, protocol }],
  );
}

/** Hooks of the life cycle are called by the kubelet like probes. */
function probedPorts(container: Container): number[] {
  const { livenessProbe, readinessProbe, startupProbe, lifecycle } = container;
  const probes = [livenessProbe, readinessProbe, startupProbe, lifecycle?.postStart, lifecycle?.preStop];
  return probes
    .flatMap((probe) => [probe?.httpGet, probe?.tcpSocket, probe?.grpc])
    .map((handler) => numberOf(handler?.port, container))
    .filter((port) => port !== undefined);
}

function numberOf(port: number | string | undefined, { ports = [] }: Container): number | undefined {
  if (typeof port !== 'string') return port;
  const named = ports.find(({ name }) => name === port)?.containerPort;
  return named ?? (/^\d+$/.test(port) ? Number(port) : undefined);
}
