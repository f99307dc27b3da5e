// SPDX-License-Identifier: Apache-2.0
import { flowKind, flowPath, flowRecord } from '../core/abi/flow.ts';
import { direction, verdict } from '../core/abi/policy.ts';
import { reason } from '../core/abi/reason.ts';
import { parseAddress } from '../core/identity/address.ts';
import { addressBytes } from '../core/identity/wire-address.ts';
import type { PolicyIndex } from '../core/state/policy-index.ts';
import type { Closed } from '../datapath/sweep.ts';

/** One end in the terms of a record. */
interface End {
  readonly address: Uint8Array;
  readonly port: number;
  readonly identity: number;
  readonly workload: number;
}

/** The records of connections that a policy change closed: the kernel saw nothing of it. Bytes and offsets. */
export function closedRecords(
  closed: readonly Closed[],
  index: PolicyIndex,
  now: bigint,
): [bytes: Buffer, offsets: number[]] {
  const bytes = Buffer.concat(closed.map((entry) => closedRecord(entry, index, now)));
  return [bytes, Array.from({ length: closed.length + 1 }, (_, at) => at * flowRecord.size)];
}

function closedRecord(closed: Closed, index: PolicyIndex, now: bigint): Uint8Array {
  const { socket, workload } = closed;
  const own = endOf(socket.source, { identity: workload.identity, workload: workload.id });
  const remote = parseAddress(socket.destination.address);
  const peer = remote === undefined ? undefined : index.peer(remote);
  const other = endOf(socket.destination, { identity: peer?.identity ?? 0, workload: peer?.workload ?? 0 });
  // A closed server's socket was refused on ingress at its own end; any other was opened from here.
  const serving = closed.serving;
  const [source, destination] = serving ? [other, own] : [own, other];
  const rules =
    closed.direction === 'egress'
      ? { egressRule: closed.rule, ingressRule: 0 }
      : { egressRule: 0, ingressRule: closed.rule };
  return flowRecord.encode({
    time: now,
    connection: socket.cookie,
    duration: 0n,
    bytesSent: 0n,
    bytesReceived: 0n,
    reference: 0n,
    sourceAddress: source.address,
    destinationAddress: destination.address,
    sourceIdentity: source.identity,
    destinationIdentity: destination.identity,
    sourceWorkload: source.workload,
    destinationWorkload: destination.workload,
    ...rules,
    rtt: 0,
    retransmits: 0,
    sourcePort: source.port,
    destinationPort: destination.port,
    status: 0,
    reason: reason['policy-changed'],
    kind: flowKind.close,
    verdict: verdict.denied,
    direction: direction[closed.direction],
    path: flowPath.direct,
    protocol: closed.protocol === 'TCP' ? 6 : 17,
    family: socket.family,
    methodLength: 0,
    pathLength: 0,
    hostLength: 0,
  });
}

function endOf(
  end: { readonly address: string; readonly port: number },
  names: { readonly identity: number; readonly workload: number },
): End {
  const address = parseAddress(end.address);
  return {
    address: address === undefined ? new Uint8Array(16) : addressBytes(address),
    port: end.port,
    ...names,
  };
}
