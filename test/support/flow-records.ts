// SPDX-License-Identifier: Apache-2.0
import {
  flowDetail,
  type FlowDetail,
  flowKind,
  flowPath,
  flowRecord,
  type FlowRecord,
} from '../../src/core/abi/flow.ts';
import { direction, verdict } from '../../src/core/abi/policy.ts';
import type { FlowRule, FlowService } from '../../src/core/flow.ts';
import type { FlowNames, PeerNames } from '../../src/observability/flow-names.ts';

export interface RecordFields extends Partial<FlowRecord> {
  readonly method?: string;
  readonly urlPath?: string;
  readonly host?: string;
  readonly detail?: FlowDetail;
}

/** 16 bytes of an IPv4 address. */
export function mapped(text: string): Uint8Array {
  return Uint8Array.from([...Array<number>(10).fill(0), 0xff, 0xff, ...text.split('.').map(Number)]);
}

const defaults: FlowRecord = {
  time: 1_000n,
  connection: 7n,
  duration: 1_200_000n,
  bytesSent: 100n,
  bytesReceived: 200n,
  reference: 0n,
  sourceAddress: mapped('10.0.0.1'),
  destinationAddress: mapped('10.0.0.2'),
  sourceIdentity: 101,
  destinationIdentity: 102,
  sourceWorkload: 1,
  destinationWorkload: 2,
  egressRule: 0,
  ingressRule: 1,
  rtt: 0,
  retransmits: 0,
  sourcePort: 41234,
  destinationPort: 8080,
  status: 0,
  reason: 0,
  kind: flowKind.verdict,
  verdict: verdict.allowed,
  direction: direction.ingress,
  path: flowPath.direct,
  protocol: 6,
  family: 4,
  closer: 0,
  methodLength: 0,
  pathLength: 0,
  hostLength: 0,
  detailLength: 0,
  service: 0,
  boosted: 0,
};

/** A trace id whose bytes are all the same. */
export function traceOf(byte: number): Buffer {
  return Buffer.alloc(16, byte);
}

export function detailOf(byte: number): FlowDetail {
  const parentId = Buffer.alloc(8, 9);
  return {
    requestTime: 5,
    serverTime: 7,
    traceId: traceOf(byte),
    parentId,
    traceFlags: byte,
    httpVersion: 0,
    grpcStatus: 0,
  };
}

/** Bytes of a record; with `method` it is a request. `urlPath` and `host` are taken as latin1 bytes. */
export function record(fields: RecordFields = {}): Buffer {
  const { method = '', urlPath = '', host = '', detail, ...numbers } = fields;
  const request = method === '' ? {} : { kind: flowKind.request, path: flowPath.proxied, status: 200 };
  const all = { ...defaults, ...request, ...numbers };
  const hasDetail = detail !== undefined && all.kind === flowKind.request;
  const tail = hasDetail ? flowDetail.encode(detail) : Buffer.alloc(0);
  const lengths = {
    methodLength: method.length,
    pathLength: urlPath.length,
    hostLength: host.length,
    ...(hasDetail ? { detailLength: tail.length } : {}),
  };
  const head = flowRecord.encode({ ...all, ...lengths });
  return Buffer.concat([head, Buffer.from(method + urlPath + host, 'latin1'), tail]);
}

export function batch(records: readonly Buffer[]): { bytes: Buffer; offsets: number[] } {
  const offsets = [0];
  for (const one of records) offsets.push((offsets.at(-1) ?? 0) + one.length);
  return { bytes: Buffer.concat(records), offsets };
}

export const workloads: Readonly<Record<number, PeerNames>> = {
  1: { namespace: 'shop', workload: 'web', serviceAccount: 'web', labels: { app: 'web' } },
  2: { namespace: 'shop', workload: 'api', serviceAccount: 'api', labels: { app: 'api', tier: 'back' } },
  3: { namespace: 'dark', workload: 'intruder', serviceAccount: 'default', labels: { zone: 'x' } },
};

export const rules: Readonly<Record<number, FlowRule>> = {
  1: {
    kind: 'AccessPolicy',
    namespace: 'shop',
    policy: 'api',
    direction: 'ingress',
    rule: 'web-may-read',
    file: '/etc/perigee/api.yaml',
    line: 12,
  },
  2: { kind: 'AccessPolicy', namespace: 'shop', policy: 'web', direction: 'egress', rule: '0' },
};

export const services: Readonly<Record<number, FlowService>> = {
  9: { namespace: 'shop', name: 'api', port: 80 },
  10: { namespace: 'shop', name: 'cache-main', port: 6379 },
  11: { namespace: 'default', name: 'dns', port: 53 },
};

/** What workload 1 was told by DNS, whenever that was. */
export const dnsNames: Readonly<Record<string, readonly string[]>> = {
  '198.51.100.7': ['api.example.com'],
  '192.168.1.4': ['db.example.com', 'old-db.example.com'],
};

const keyOf = (address: string): string => Buffer.from(mapped(address)).toString('latin1');

const dns: FlowNames['dns'] = {
  version: 1,
  has: (workload) => workload === 1,
  of: (_, key) => Object.entries(dnsNames).find(([address]) => keyOf(address) === key)?.[1] ?? [],
  addresses: (test) =>
    Object.entries(dnsNames).flatMap(([address, all]) =>
      all.some(test) ? [Buffer.from(keyOf(address), 'latin1')] : [],
    ),
};

export const names: FlowNames = {
  dns,
  service: (id) => services[id],
  workload: (id) => workloads[id],
  identity: (id) => (id === 2 ? { entity: 'World' } : undefined),
  rule: (id) => rules[id],
};
