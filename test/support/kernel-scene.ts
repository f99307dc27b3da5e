// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { flowRecord, type FlowRecord } from '../../src/core/abi/flow.ts';
import type { ReasonName } from '../../src/core/abi/reason.ts';
import { type Address, parseAddress } from '../../src/core/identity/address.ts';
import { formatPrefix, parsePrefix } from '../../src/core/identity/prefix.ts';
import { PersistentMap } from '../../src/lib/persistent-map.ts';
import type {
  DesiredAddress,
  DesiredRow,
  DesiredService,
  DesiredState,
  DesiredTable,
  DesiredWorkload,
} from '../../src/core/state/desired.ts';
import { removeDatapath } from '../../src/datapath/cleanup.ts';
import { readDrops } from '../../src/datapath/counters.ts';
import { Datapath } from '../../src/datapath/datapath.ts';
import { pinLayout } from '../../src/datapath/layout.ts';
import { type Native, loadNative } from '../../src/datapath/native.ts';
import { type CommandResult, Lab, type LabHost, cgroup2Root } from './lab.ts';
import { noState, servicesByKey } from './states.ts';

export const objects = join(import.meta.dirname, '../../build/bpf');

export const WORLD = 1;

/** Who is governed in a scene, and what its peers may do. */
export interface Governed {
  readonly host: LabHost;
  readonly egress?: readonly SceneRule[];
  readonly ingress?: readonly SceneRule[];
  readonly boost?: boolean;
}

export interface SceneRule {
  /** The peer; absent: the world. */
  readonly peer?: LabHost;
  readonly protocol?: 'TCP' | 'UDP';
  readonly port: number;
  readonly action: 'allow' | 'deny' | 'proxy';
  /** By which the kernel decides instead of the proxy. */
  readonly table?: Uint8Array;
}

/** A Service of the scene: its name is its number, its backends are machines. */
export interface SceneService {
  readonly id: number;
  readonly address: string;
  readonly port: number;
  readonly protocol?: 'TCP' | 'UDP';
  readonly affinitySeconds?: number;
  /** `address port` */
  readonly picked: readonly (readonly [string, number])[];
  readonly kept?: readonly (readonly [string, number])[];
}

/** A lab with the real hooks on its own cgroup, and the state that a test writes down. */
export class KernelScene {
  readonly native: Native = loadNative();
  readonly lab: Lab;
  readonly cgroup: string;
  readonly pinRoot: string;
  #datapath: Datapath | undefined;

  constructor(name: string) {
    this.lab = Lab.create(name);
    this.cgroup = join(cgroup2Root(), `perigee-${name}`);
    this.pinRoot = `/sys/fs/bpf/perigee-${name}`;
    mkdirSync(this.cgroup, { recursive: true });
    removeDatapath(this.native, this.pinRoot);
  }

  get datapath(): Datapath {
    this.#datapath ??= this.load();
    return this.#datapath;
  }

  load(): Datapath {
    const { native, cgroup } = this;
    return Datapath.load({ native, layout: pinLayout(this.pinRoot), objects, cgroup });
  }

  /** A new agent takes over from the one before. */
  replace(datapath: Datapath): void {
    this.#datapath = datapath;
  }

  /** Puts the state in force. */
  govern(governed: readonly Governed[], services: readonly SceneService[] = []): void {
    const state = { ...sceneState(governed), services: servicesByKey(services.map(sceneService)) };
    this.datapath.capture(state.workloads);
    this.datapath.apply(state);
  }

  /** The command as list, run inside the governed cgroup of a machine. */
  inside(command: readonly string[]): string[] {
    return ['sh', '-c', `echo $$ > ${this.cgroup}/cgroup.procs && exec "$@"`, 'sh', ...command];
  }

  run(host: LabHost, command: readonly string[]): CommandResult {
    return this.lab.run(host, this.inside(command));
  }

  /** Runs a Python program; its output, or the text of its error. */
  python(host: LabHost, program: string, ...args: string[]): string {
    const result = this.run(host, ['python3', '-c', program, ...args]);
    return (result.stdout + result.stderr).trim();
  }

  /** Starts a Python program that serves; ended with the scene. */
  serve(host: LabHost, program: string, ...args: string[]): void {
    this.lab.start(host, this.inside(['python3', '-c', program, ...args]));
  }

  drops(reason: ReasonName): number {
    return readDrops(this.datapath.maps).get(reason) ?? 0;
  }

  /** Takes the records that the kernel has written since the last call. */
  records(): FlowRecord[] {
    const records: FlowRecord[] = [];
    const { maps } = this.datapath;
    const ring = new this.native.RingBuffer([maps.flows, maps.denials], (_, bytes, offsets) => {
      for (let index = 0; index + 1 < offsets.length; index += 1) {
        records.push(flowRecord.decode(bytes, offsets[index]));
      }
    });
    ring.consume();
    ring.close();
    return records;
  }

  async destroy(): Promise<void> {
    this.#datapath?.close();
    removeDatapath(this.native, this.pinRoot);
    await this.lab.destroy();
    rmdirSync(this.cgroup);
  }
}

const workloadId = (host: LabHost): number => 1000 + Number(host.address4.split('.')[3]);
const identityOf = (host: LabHost): number => 2000 + Number(host.address4.split('.')[3]);

export function sceneState(governed: readonly Governed[]): DesiredState {
  const ipcache: DesiredAddress[] = ['0.0.0.0/0', '::/0'].map((text) => addressEntry(text, WORLD, 0));
  for (const { host, egress, ingress, boost = false } of governed) {
    for (const text of [`${host.address4}/32`, `${host.address6}/128`]) {
      const entry = addressEntry(text, identityOf(host), workloadId(host));
      ipcache.push({
        ...entry,
        egressSelected: egress !== undefined,
        ingressSelected: ingress !== undefined,
        boost,
      });
    }
  }
  const peers = [WORLD, ...governed.map(({ host }) => identityOf(host))];
  return {
    ...noState,
    workloads: governed.map(sceneWorkload),
    ipcache: PersistentMap.of(ipcache.map((entry) => [formatPrefix(entry.prefix), entry])),
    policy: governed.flatMap(({ host, egress, ingress }) => [
      ...(egress === undefined ? [] : [table(host, 'egress', egress, peers)]),
      ...(ingress === undefined ? [] : [table(host, 'ingress', ingress, peers)]),
    ]),
  };
}

function sceneService({ protocol = 'TCP', affinitySeconds = 0, kept = [], ...service }: SceneService) {
  const backend = ([address, port]: readonly [string, number]) => ({ address: addressOf(address), port });
  const { id, port, picked } = service;
  const address = addressOf(service.address);
  return {
    ...{ id, address, port, protocol, affinitySeconds },
    picked: picked.map(backend),
    kept: kept.map(backend),
  } satisfies DesiredService;
}

function addressOf(text: string): Address {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`no address: ${text}`);
  return address;
}

function sceneWorkload({ host, egress, ingress, boost = false }: Governed): DesiredWorkload {
  const addresses = [parseAddress(host.address4), parseAddress(host.address6)];
  return {
    id: workloadId(host),
    key: `lab/${host.name}`,
    identity: identityOf(host),
    attachment: 'netns',
    path: host.path,
    egressSelected: egress !== undefined,
    ingressSelected: ingress !== undefined,
    boost,
    visible: false,
    addresses: addresses.filter((address) => address !== undefined),
  };
}

export function addressEntry(text: string, identity: number, workload: number): DesiredAddress {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new Error(`no prefix: ${text}`);
  const flags = { egressSelected: false, ingressSelected: false, boost: false, visible: false };
  const taken = !text.endsWith('/0');
  return { taken, prefix, identity, workload, ...flags };
}

function table(
  host: LabHost,
  direction: 'egress' | 'ingress',
  rules: readonly SceneRule[],
  peers: readonly number[],
): DesiredTable {
  return { workload: workloadId(host), direction, rows: [...rowsOf(rules, peers)] };
}

/** What the rules do not name is refused, port by port, as the compiler writes it. */
function* rowsOf(rules: readonly SceneRule[], peers: readonly number[]): Generator<DesiredRow> {
  for (const identity of peers) {
    for (const protocol of ['TCP', 'UDP'] as const) {
      const mine = rules.filter(
        (rule) =>
          (rule.peer === undefined ? WORLD : identityOf(rule.peer)) === identity &&
          (rule.protocol ?? 'TCP') === protocol,
      );
      const base = { identity, protocol, audit: 'none' as const, rule: 7 };
      let next = 0;
      for (const rule of [...mine].sort((a, b) => a.port - b.port)) {
        if (rule.port > next)
          yield { ...base, from: next, to: rule.port - 1, action: 'deny', reason: 'policy-no-rule' };
        const reason = rule.action === 'deny' ? 'policy-denied' : 'none';
        const { port, action, table: decides } = rule;
        yield { ...base, from: port, to: port, action, reason, ...(decides && { table: decides }) };
        next = rule.port + 1;
      }
      yield { ...base, from: next, to: 65535, action: 'deny', reason: 'policy-no-rule' };
    }
  }
}
