// SPDX-License-Identifier: Apache-2.0
import type { FlowNames } from '../flow-names.ts';
import { peerNames } from '../match/endpoint.ts';

/** What labels call one end: `namespace/name`, an entity, or who it acts for. Prefixes are World: there may be many. */
export function peerLabel(flowNames: FlowNames, workload: number, identity: number): string {
  const names = peerNames(flowNames, workload, identity);
  if (names.workload !== undefined) return `${names.namespace ?? ''}/${names.workload}`;
  if (names.entity !== undefined) return names.entity.includes('/') ? 'World' : names.entity;
  return names.serviceAccount === undefined ? 'unknown' : `${names.namespace ?? ''}/${names.serviceAccount}`;
}
