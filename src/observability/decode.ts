// SPDX-License-Identifier: Apache-2.0
import { flowCloserNames, flowDetail, flowKindNames, flowPathNames } from '../core/abi/flow.ts';
import { directionNames, verdictNames } from '../core/abi/policy.ts';
import { reasonNames } from '../core/abi/reason.ts';
import type { Flow, FlowEndpoint } from '../core/flow.ts';
import { formatAddress } from '../core/identity/address.ts';
import type { FlowNames } from './flow-names.ts';
import { dnsNamesOf } from './match/dns-name.ts';
import { endNames } from './match/endpoint.ts';
import { hostAt, methodAt, pathAt } from './match/predicate.ts';
import {
  detailAt,
  grpcStatusAt,
  httpVersionAt,
  isSampledAt,
  Offset,
  type RecordMemory,
  traceIdAt,
} from './record-layout.ts';

const IPPROTO_UDP = 17;

/** Addresses stand as 16 bytes, IPv4 as ::ffff:a.b.c.d. */
function addressText(bytes: Buffer, at: number): string {
  const high = bytes.readBigUInt64BE(at);
  const low = bytes.readBigUInt64BE(at + 8);
  if (high === 0n && low >> 32n === 0xffffn) return formatAddress({ family: 4, bits: low & 0xffff_ffffn });
  return formatAddress({ family: 6, bits: (high << 64n) | low });
}

function endpoint(
  memory: RecordMemory,
  at: number,
  side: 'source' | 'destination',
  names: FlowNames,
): FlowEndpoint {
  const { bytes, u16, u32 } = memory;
  const isSource = side === 'source';
  const identity = u32[(at + (isSource ? Offset.sourceIdentity : Offset.destinationIdentity)) >> 2] ?? 0;
  const dnsNames = dnsNamesOf(names, side, memory, at);
  return {
    address: addressText(bytes, at + (isSource ? Offset.sourceAddress : Offset.destinationAddress)),
    port: u16[(at + (isSource ? Offset.sourcePort : Offset.destinationPort)) >> 1] ?? 0,
    identity,
    ...endNames(names, side, memory, at),
    ...(dnsNames.length === 0 ? {} : { dnsNames }),
  };
}

function http(memory: RecordMemory, at: number, { path: redacted }: FlowNames): NonNullable<Flow['http']> {
  const path = pathAt(memory, at);
  const grpcStatus = grpcStatusAt(memory, at);
  return {
    method: methodAt(memory, at),
    path: redacted?.(path) ?? path,
    host: hostAt(memory, at),
    status: memory.u16[(at + Offset.status) >> 1] ?? 0,
    ...(httpVersionAt(memory, at) === 2 ? { isHttp2: true } : {}),
    ...(grpcStatus === -1 ? {} : { grpcStatus }),
  };
}

/** What the proxy knows of a request beside. */
function detail(memory: RecordMemory, at: number, duration: number): Pick<Flow, 'timing' | 'trace'> {
  const { bytes } = memory;
  const times = detailAt(memory, at, flowDetail.offset.traceId);
  if (times === -1) return {};
  const request = bytes.readUInt32LE(times + flowDetail.offset.requestTime) * 1000;
  const server = bytes.readUInt32LE(times + flowDetail.offset.serverTime) * 1000;
  const timing = { request, server, response: Math.max(0, duration - request - server) };
  const id = traceIdAt(memory, at);
  return {
    ...(request + server === 0 ? {} : { timing }),
    ...(id === -1
      ? {}
      : {
          trace: {
            id: bytes.toString('hex', id, id + 16),
            parent: bytes.toString('hex', id + 16, id + 24),
            sampled: isSampledAt(memory, id),
          },
        }),
  };
}

/** What not every record says. */
function whereKnown(
  memory: RecordMemory,
  at: number,
  names: FlowNames,
): Pick<Flow, 'boostedKib' | 'closer' | 'egressRule' | 'ingressRule' | 'reference' | 'service'> {
  const { bytes, u32 } = memory;
  const boostedKib = u32[(at + Offset.boosted) >> 2] ?? 0;
  const closer = flowCloserNames[bytes[at + Offset.closer] ?? 0];
  const reference = bytes.readBigUInt64LE(at + Offset.reference);
  const egressRule = names.rule(u32[(at + Offset.egressRule) >> 2] ?? 0);
  const ingressRule = names.rule(u32[(at + Offset.ingressRule) >> 2] ?? 0);
  const service = names.service?.(u32[(at + Offset.service) >> 2] ?? 0);
  return {
    ...(boostedKib === 0 ? {} : { boostedKib }),
    ...(closer === undefined || closer === 'unknown' ? {} : { closer }),
    ...(egressRule === undefined ? {} : { egressRule }),
    ...(ingressRule === undefined ? {} : { ingressRule }),
    ...(service === undefined ? {} : { service }),
    ...(reference === 0n ? {} : { reference: reference.toString(16).padStart(16, '0') }),
  };
}

/**
 * Decodes the record at `at` and joins it with names. Its time is the wall clock's by now (see FlowStore).
 * Numbers that a newer kernel side or proxy may send get the name that claims least.
 */
export function decodeFlow(memory: RecordMemory, at: number, names: FlowNames): Flow {
  const { bytes, u16, u32 } = memory;
  const kind = flowKindNames[bytes[at + Offset.kind] ?? 0] ?? 'verdict';
  const duration = Number(bytes.readBigUInt64LE(at + Offset.duration));
  return {
    time: bytes.readBigUInt64LE(at + Offset.time),
    kind,
    verdict: verdictNames[bytes[at + Offset.verdict] ?? 0] ?? 'error',
    reason: reasonNames[u16[(at + Offset.reason) >> 1] ?? 0] ?? 'none',
    direction: directionNames[bytes[at + Offset.direction] ?? 0] ?? 'egress',
    path: flowPathNames[bytes[at + Offset.path] ?? 0] ?? 'direct',
    protocol: bytes[at + Offset.protocol] === IPPROTO_UDP ? 'UDP' : 'TCP',
    source: endpoint(memory, at, 'source', names),
    destination: endpoint(memory, at, 'destination', names),
    connection: bytes.readBigUInt64LE(at + Offset.connection).toString(),
    duration,
    bytesSent: Number(bytes.readBigUInt64LE(at + Offset.bytesSent)),
    bytesReceived: Number(bytes.readBigUInt64LE(at + Offset.bytesReceived)),
    rtt: u32[(at + Offset.rtt) >> 2] ?? 0,
    retransmits: u32[(at + Offset.retransmits) >> 2] ?? 0,
    ...whereKnown(memory, at, names),
    ...(kind === 'request' ? { http: http(memory, at, names), ...detail(memory, at, duration) } : {}),
  };
}

/** Which ends are workloads of this node. */
export function endsHere({ u32 }: RecordMemory, at: number): Record<'source' | 'destination', boolean> {
  return {
    source: u32[(at + Offset.sourceWorkload) >> 2] !== 0,
    destination: u32[(at + Offset.destinationWorkload) >> 2] !== 0,
  };
}
