// SPDX-License-Identifier: Apache-2.0
import {
  directionNames,
  ipcacheEntry,
  ipcacheKey,
  policyActionNames,
  policyAudit,
  policyAuditNames,
  policyKey,
  policyVerdict,
} from '../../src/core/abi/policy.ts';
import { reasonNames } from '../../src/core/abi/reason.ts';
import { backend, service, serviceKey, serviceMember, serviceSlot } from '../../src/core/abi/service.ts';
import { workload, workloadFlag, workloadKey, workloadKindNames } from '../../src/core/abi/workload.ts';
import type { Names } from '../../src/control/compile/names.ts';
import { formatAddress } from '../../src/core/identity/address.ts';
import { addressOfBytes } from '../../src/core/identity/wire-address.ts';
import { formatRuleRef } from '../../src/core/policy/rule-ref.ts';
import { REST } from '../../src/core/state/desired.ts';
import type { Maps } from '../../src/datapath/maps.ts';
import { keyBytes, readEntries } from '../../src/datapath/typed-map.ts';

/** The reconciled maps as the kernel holds them, in words, sorted: one entry a line. */
export function dumpMaps(maps: Maps, names: Names): string {
  const sections = [dumpWorkloads(maps, names), dumpIpcache(maps, names), dumpPolicy(maps, names)];
  return sections.flatMap((lines) => lines.sort()).join('\n') + '\n';
}

/** What the kernel holds of Services, likewise. */
export function dumpServices(maps: Maps, names: Names): string {
  const nameOf = (id: number): string => {
    const ref = names.serviceOf(id);
    return ref === undefined
      ? `unknown ${String(id)}`
      : `${ref.namespace}/${ref.name}:${String(ref.port)}/${ref.protocol} IPv${String(ref.family)}`;
  };
  const place = (address: Uint8Array, port: number): string =>
    `${formatAddress(addressOfBytes(address))} ${String(port)}`;
  const services = [...readEntries(maps.services)].map(([text, value]) => {
    const key = serviceKey.decode(keyBytes(text));
    const { id, backends, affinity } = service.decode(value);
    return `service ${place(key.address, key.port)} ${key.protocol === 6 ? 'TCP' : 'UDP'} = ${nameOf(id)} backends ${String(backends)} affinity ${String(affinity)}`;
  });
  // Which of its slots a backend is in depends on what was there before, and means nothing.
  const slots = [...readEntries(maps.service_slots)].map(([key, value]) => {
    const { address, port } = backend.decode(value);
    return `slot ${nameOf(serviceSlot.decode(keyBytes(key)).service)} = ${place(address, port)}`;
  });
  const members = [...readEntries(maps.service_members)].map(([text, value]) => {
    const key = serviceMember.decode(keyBytes(text));
    return `member ${nameOf(key.service)} ${place(key.address, key.port)} = ${value[0] === 1 ? 'picked' : 'kept'}`;
  });
  return [services, slots, members].flatMap((lines) => lines.sort()).join('\n') + '\n';
}

function peerName(names: Names, id: number): string {
  return (
    names.peerOf(id)?.key.replace(/labels\/([0-9a-f]{8})[0-9a-f]*/g, 'labels/$1') ?? `unknown ${String(id)}`
  );
}

function flagText(flags: number): string {
  const set = Object.entries(workloadFlag).filter(([, bit]) => (flags & bit) !== 0);
  return set.length === 0 ? 'open' : set.map(([name]) => name).join(',');
}

function dumpWorkloads(maps: Maps, names: Names): string[] {
  return [...readEntries(maps.workloads)].map(([key, value]) => {
    const { id, kind } = workloadKey.decode(keyBytes(key));
    const entry = workload.decode(value);
    const name = names.workloadOf(entry.id)?.key ?? 'unknown';
    return `workload ${workloadKindNames[kind] ?? '?'} ${String(id)} = ${name} as ${peerName(names, entry.identity)} ${flagText(entry.flags)}`;
  });
}

function dumpIpcache(maps: Maps, names: Names): string[] {
  return [...readEntries(maps.ipcache)].map(([key, value]) => {
    const { prefixLength, address } = ipcacheKey.decode(keyBytes(key));
    const entry = ipcacheEntry.decode(value);
    const owner = entry.workload === 0 ? '' : ` of ${names.workloadOf(entry.workload)?.key ?? 'unknown'}`;
    const text = formatAddress(addressOfBytes(address));
    return `ipcache ${text}/${String(prefixLength)} = ${peerName(names, entry.identity)}${owner} ${flagText(entry.flags)}`;
  });
}

function dumpPolicy(maps: Maps, names: Names): string[] {
  return [...readEntries(maps.policy)].map(([text, value]) => {
    const key = policyKey.decode(keyBytes(text));
    const verdict = policyVerdict.decode(value);
    const bits = key.prefixLength - 80;
    const last = key.port + (1 << (16 - bits)) - 1;
    const ports =
      bits === 0 ? 'all others' : bits === 16 ? String(key.port) : `${String(key.port)}-${String(last)}`;
    const rule = names.ruleOf(verdict.rule);
    return [
      `policy ${names.workloadOf(key.workload)?.key ?? 'unknown'} ${directionNames[key.direction] ?? '?'}`,
      `${key.protocol === 6 ? 'TCP' : 'UDP'} ${key.identity === REST ? 'the rest' : peerName(names, key.identity)} ports ${ports} =`,
      policyActionNames[verdict.action] ?? '?',
      ...(verdict.reason === 0 ? [] : [`(${reasonNames[verdict.reason] ?? '?'})`]),
      ...(verdict.audit === policyAudit.none ? [] : [`audit ${policyAuditNames[verdict.audit] ?? ''}`]),
      ...(rule === undefined ? [] : [`by ${formatRuleRef(rule)}`]),
    ].join(' ');
  });
}
