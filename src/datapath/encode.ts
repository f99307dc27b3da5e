// SPDX-License-Identifier: Apache-2.0
import {
  type IpcacheEntry,
  addressFlag,
  direction,
  ipcacheEntry,
  ipcacheKey,
  policyAction,
  policyAudit,
  policyKey,
  policyVerdict,
} from '../core/abi/policy.ts';
import { reason } from '../core/abi/reason.ts';
import { datapathSettings, workload, workloadFlag, workloadKey, workloadKind } from '../core/abi/workload.ts';
import { addressBytes, prefixBits } from '../core/identity/wire-address.ts';
import {
  type DesiredAddress,
  type DesiredRow,
  type DesiredState,
  type DesiredTable,
  type DesiredWorkload,
  REST,
} from '../core/state/desired.ts';
import { type PortPrefix, portPrefixes } from './port-prefixes.ts';
import { type Entries, keyText } from './typed-map.ts';

/** The maps that have an entry for each workload of this host, or fewer, as bytes. */
export interface EncodedState {
  readonly workloads: Entries;
  readonly settings: Entries;
}

/** One entry of the policy map, but for the workload and the direction of its key. */
export interface EncodedRow {
  readonly row: DesiredRow;
  readonly block: PortPrefix;
  readonly value: Uint8Array;
}

/** Bits of a policy key before its port. */
const POLICY_FIXED_BITS = 80;
const protocolNumber = { TCP: 6, UDP: 17 } as const;
const noAddress = new Uint8Array(16);

function flagsOf({
  egressSelected,
  ingressSelected,
  boost,
  visible,
}: Pick<DesiredWorkload, 'egressSelected' | 'ingressSelected' | 'boost' | 'visible'>): number {
  const egress = egressSelected ? workloadFlag['egress-selected'] : 0;
  const ingress = ingressSelected ? workloadFlag['ingress-selected'] : 0;
  return egress | ingress | (boost ? workloadFlag.boost : 0) | (visible ? workloadFlag.visible : 0);
}

/**
 * @param kernelId the namespace's cookie or the cgroup's id
 * @param more flags that are no property of the workload
 */
function encodeWorkload(desired: DesiredWorkload, kernelId: bigint, more: number): [string, Uint8Array] {
  const primary = (family: 4 | 6): Uint8Array => {
    const address = desired.addresses.find((candidate) => candidate.family === family);
    return address === undefined ? noAddress : addressBytes(address);
  };
  const key = workloadKey.encode({ id: kernelId, kind: workloadKind[desired.attachment] });
  const value = workload.encode({
    id: desired.id,
    identity: desired.identity,
    flags: flagsOf(desired) | more,
    kind: workloadKind[desired.attachment],
    kernelId,
    address4: primary(4),
    address6: primary(6),
  });
  return [keyText(key), value];
}

/** An entry of `ipcache`. */
export function encodeAddress(desired: DesiredAddress): [string, Uint8Array] {
  const key = ipcacheKey.encode({
    prefixLength: prefixBits(desired.prefix),
    address: addressBytes(desired.prefix),
  });
  const entry: IpcacheEntry = {
    identity: desired.identity,
    workload: desired.workload,
    flags: flagsOf(desired) | (desired.taken ? addressFlag.taken : 0),
  };
  return [keyText(key), ipcacheEntry.encode(entry)];
}

function verdictBytes(desired: DesiredRow): Uint8Array {
  return policyVerdict.encode({
    action: policyAction[desired.action],
    audit: policyAudit[desired.audit],
    reason: reason[desired.reason],
    rule: desired.rule,
    table: desired.tableAt ?? 0,
  });
}

/** The key of a row in the table of one direction of a workload. */
export function policyKeyText(table: DesiredTable, { row, block }: EncodedRow): string {
  const key = policyKey.encode({
    prefixLength: POLICY_FIXED_BITS + block.bits,
    workload: table.workload,
    identity: row.identity,
    direction: direction[table.direction],
    protocol: protocolNumber[row.protocol],
    port: block.port,
  });
  return keyText(key);
}

/**
 * The ranges of one (identity, protocol), which cover all ports: the verdict of most ports stands once for all
 * of them, the others as exceptions, which the longest match prefers. Exceptions come first, so that while they
 * are being written no port takes a verdict that is in neither state.
 */
function* encodeRanges(ranges: readonly DesiredRow[]): Generator<EncodedRow> {
  const ports = new Map<string, number>();
  const texts = ranges.map((range) => keyText(verdictBytes(range)));
  ranges.forEach(({ from, to }, index) => {
    const text = texts[index] ?? '';
    ports.set(text, (ports.get(text) ?? 0) + to - from + 1);
  });
  const [most] = [...ports].reduce<[string, number]>((a, b) => (b[1] > a[1] ? b : a), ['', 0]);
  for (const [index, row] of ranges.entries()) {
    if (texts[index] === most) continue;
    for (const block of portPrefixes(row.from, row.to)) yield { row, block, value: verdictBytes(row) };
  }
  const usual = ranges[texts.indexOf(most)];
  if (usual !== undefined) yield { row: usual, block: { port: 0, bits: 0 }, value: verdictBytes(usual) };
}

/** In the order in which they are to be written: whom the rest is not meant for, then the rest. */
export function encodeRows(rows: readonly DesiredRow[]): EncodedRow[] {
  const groups = new Map<string, DesiredRow[]>();
  for (const row of rows) {
    const key = `${row.identity} ${row.protocol}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [row]);
    else group.push(row);
  }
  const encoded = [...groups.values()].flatMap((ranges) => [...encodeRanges(ranges)]);
  return [
    ...encoded.filter(({ row }) => row.identity !== REST),
    ...encoded.filter(({ row }) => row.identity === REST),
  ];
}

/** @param kernelIds by workload id; a workload without one (its namespace is gone) is left out */
export function encodeWorkloads(
  state: Pick<DesiredState, 'workloads' | 'services'>,
  kernelIds: ReadonlyMap<number, readonly bigint[]>,
): EncodedState {
  const workloads: Entries = new Map();
  const resolves = state.services.size > 0 ? workloadFlag.services : 0;
  let cgroupWorkloads = 0;
  for (const desired of state.workloads) {
    for (const kernelId of kernelIds.get(desired.id) ?? []) {
      if (desired.attachment === 'cgroup') cgroupWorkloads += 1;
      workloads.set(...encodeWorkload(desired, kernelId, resolves));
    }
  }
  return {
    workloads,
    settings: new Map([[keyText(new Uint8Array(4)), datapathSettings.encode({ cgroupWorkloads })]]),
  };
}
