// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** How many workloads and policies a node has. */
export interface Size {
  readonly workloads: number;
  readonly policies: number;
}

/** Workloads that share a namespace of resources. */
const NEIGHBOURS = 10;

export const changeKinds = ['label', 'policy', 'workload', 'http'] as const;
export type ChangeKind = (typeof changeKinds)[number];

export const changeTitles: Readonly<Record<ChangeKind, string>> = {
  label: 'a label of one workload',
  policy: 'a port of one policy',
  workload: 'a workload added or removed',
  http: 'a path of an HTTP rule',
};

/** A folder of resources, one a file, that changes one file at a time. */
export class ControlFolder {
  readonly directory: string;
  readonly #size: Size;
  readonly #netns: (index: number) => string;
  readonly #turns = new Map<ChangeKind, number>();

  /** @param netns name of the namespace of a workload; there is one more than workloads */
  constructor(size: Size, netns: (index: number) => string) {
    this.#size = size;
    this.#netns = netns;
    this.directory = mkdtempSync(join(tmpdir(), 'pgcontrol-'));
    for (let index = 0; index < size.workloads; index += 1) this.#writeWorkload(index, 'v1');
    for (let index = 0; index < size.policies; index += 1) this.#writePolicy(index, 8080, '/items');
  }

  /** Makes one change of the kind; the next one of the kind is the way back. */
  change(kind: ChangeKind): void {
    const turn = (this.#turns.get(kind) ?? 0) + 1;
    this.#turns.set(kind, turn);
    const odd = turn % 2 === 1;
    // HTTP rules stand in every third policy.
    const policy = kind === 'http' ? 3 : 1;
    if (kind === 'label') this.#writeWorkload(1, odd ? 'v2' : 'v1');
    else if (kind === 'policy') this.#writePolicy(policy, odd ? 8081 : 8080, '/items');
    else if (kind === 'http') this.#writePolicy(policy, 8080, `/items/${String(turn)}`);
    else if (odd) this.#writeWorkload(this.#size.workloads, 'v1');
    else rmSync(this.#file(`w${String(this.#size.workloads)}`));
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  #file(name: string): string {
    return join(this.directory, `${name}.yaml`);
  }

  /** As an editor saves: whole or not at all. */
  #write(name: string, text: string): void {
    const file = this.#file(name);
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  }

  #namespaceOf(index: number): string {
    return `team-${String(Math.floor(index / NEIGHBOURS))}`;
  }

  #writeWorkload(index: number, version: string): void {
    const app = `app-${String(index % NEIGHBOURS)}`;
    const name = `w${String(index)}`;
    const address = `10.64.${String(index >> 8)}.${String(index & 255)}`;
    this.#write(
      name,
      `apiVersion: perigee.dev/v1alpha1
kind: Workload
metadata: {name: ${name}, namespace: ${this.#namespaceOf(index)}, labels: {app: ${app}, version: ${version}}}
spec: {netns: ${this.#netns(index)}, addresses: [${address}, "fd64::${(index + 1).toString(16)}"]}
`,
    );
  }

  /** Ingress from a neighbour and from another team, egress to the same and to a block; requests in a third. */
  #writePolicy(index: number, port: number, path: string): void {
    const teams = Math.max(1, Math.ceil(this.#size.workloads / NEIGHBOURS));
    const team = index % teams;
    const app = (index: number): string => `app-${String(index % NEIGHBOURS)}`;
    const turn = Math.floor(index / teams) + index;
    const http =
      index % 3 === 0 ? `\n    http: [{methods: [GET], path: {type: PathPrefix, value: ${path}}}]` : '';
    this.#write(
      `p${String(index)}`,
      `apiVersion: perigee.dev/v1alpha1
kind: AccessPolicy
metadata: {name: p${String(index)}, namespace: team-${String(team)}}
spec:
  selector: {matchLabels: {app: ${app(turn)}}}
  ingress:
  - action: Allow
    from:
    - {podSelector: {matchLabels: {app: ${app(turn + 1)}}}}
    - {podSelector: {matchLabels: {app: ${app(turn + 2)}}}, namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: team-${String((team + 1) % teams)}}}}
    to: [{port: ${String(port)}, protocol: TCP}]${http}
  egress:
  - action: Allow
    to:
    - {podSelector: {matchLabels: {app: ${app(turn + 3)}}}, port: ${String(port)}, protocol: TCP}
    - {cidrs: [10.200.${String(index & 255)}.0/24], port: 443, protocol: TCP}
`,
    );
  }
}
