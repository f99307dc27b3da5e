// SPDX-License-Identifier: Apache-2.0
import type { FlowEndpoint } from '../../core/flow.ts';
import type { FlowNames, PeerNames } from '../flow-names.ts';
import { peerNames } from '../match/endpoint.ts';

/** What labels call one end: `namespace/name`, an entity, or who it acts for. Prefixes are World: there may be many. */
export function peerLabel(flowNames: FlowNames, workload: number, identity: number): string {
  return labelOf(peerNames(flowNames, workload, identity));
}

function labelOf(names: PeerNames): string {
  if (names.workload !== undefined) return `${names.namespace ?? ''}/${names.workload}`;
  if (names.entity !== undefined) return names.entity.includes('/') ? 'World' : names.entity;
  return names.serviceAccount === undefined ? 'unknown' : `${names.namespace ?? ''}/${names.serviceAccount}`;
}

/** The same of a flow's end. The proxy knows the workloads of its node and leaves others without a name. */
export function endLabel(end: FlowEndpoint, isHere: boolean, isProxied: boolean): string {
  const { workload, ...rest } = end;
  if (isHere && workload !== undefined) return labelOf({ ...rest, workload });
  return isProxied ? '' : labelOf(rest);
}
