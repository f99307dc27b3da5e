// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AgentProcess } from '../../test/support/agent-process.ts';
import { INLINE_PORT, PLAIN_PORT, RULED_PORT } from '../cases.ts';
import type { GovernedCgroup } from '../governed-cgroup.ts';
import { addMachine, type Network, startServer } from '../network.ts';
import type { BenchPath } from '../path.ts';

/** Both paths of Perigee, and the agent that governs them. */
export interface PerigeePaths {
  readonly agent: AgentProcess;
  readonly direct: BenchPath;
  readonly inline: BenchPath;
  readonly proxied: BenchPath;
}

/** One pair of machines with one server; the port chooses the path. */
const layer4 = (client: string, server: string, label = ''): string => `apiVersion: perigee.dev/v1alpha1
kind: Workload
metadata: {name: client, namespace: bench, labels: {app: client${label}}}
spec: {netns: ${client}}
---
apiVersion: perigee.dev/v1alpha1
kind: Workload
metadata: {name: server, namespace: bench, labels: {app: server${label}}}
spec: {netns: ${server}}
---
apiVersion: perigee.dev/v1alpha1
kind: AccessPolicy
metadata: {name: client, namespace: bench}
spec:
  selector: {matchLabels: {app: client}}
  egress:
  - name: to-the-server
    action: Allow
    to: [{podSelector: {matchLabels: {app: server}}, port: ${PLAIN_PORT}, endPort: ${INLINE_PORT}}]
---
apiVersion: perigee.dev/v1alpha1
kind: AccessPolicy
metadata: {name: server, namespace: bench}
spec:
  selector: {matchLabels: {app: server}}
  ingress:
  - name: layer-4
    action: Allow
    from: [{podSelector: {matchLabels: {app: client}}}]
    to: [{port: ${PLAIN_PORT}}]
`;

/** Goes on where `layer4` ends. */
const layer7 = `  - name: layer-7
    action: Allow
    from: [{podSelector: {matchLabels: {app: client}}}]
    to: [{port: ${RULED_PORT}}, {port: ${INLINE_PORT}}]
    http:
    - {methods: [GET, POST], path: {type: PathPrefix, value: /}}
  - name: needs-the-proxy
    action: Allow
    from: [{podSelector: {matchLabels: {app: client}}}]
    to: [{port: ${RULED_PORT}}]
    http:
    - {path: {type: Exact, value: /socket}, headers: [{name: upgrade, type: Exact, value: websocket}]}
  - name: not-the-admin-pages
    action: Deny
    to: [{port: ${RULED_PORT}}, {port: ${INLINE_PORT}}]
    http:
    - {path: {type: PathPrefix, value: /admin}}
`;

export interface PerigeeOptions {
  /** The launcher to start, if not the one of this checkout. */
  readonly program?: string;
  readonly kind?: PerigeeKind;
  /** Of the agent. */
  readonly flags?: readonly string[];
  /** Machines are called after it; `kind` unless told. */
  readonly machines?: string;
}

/**
 * `layer4`: without any HTTP rule, so without the hooks that those need: only `direct` is of use. `-boost`: both workloads ask
 * for boost.
 */
export type PerigeeKind = 'layer4' | 'layer7' | 'layer4-boost' | 'layer7-boost';

const boostLabel = ', perigee.dev/boost: enabled';

/** Machines of its own, in the governed cgroup: the other paths have none of the hooks. */
export async function perigeePaths(
  network: Network,
  cgroup: GovernedCgroup,
  name: string,
  { program, kind = 'layer7', flags = [], machines = kind }: PerigeeOptions = {},
): Promise<PerigeePaths> {
  const client = addMachine(network, `${machines}-client`);
  const server = addMachine(network, `${machines}-server`);
  await startServer(network, server, cgroup);
  const config = join(network.folder, `${machines}-resources`);
  mkdirSync(config);
  const asks = kind.endsWith('-boost');
  const rules = kind.startsWith('layer7') ? layer7 : '';
  const resources = layer4(client.netns, server.netns, asks ? boostLabel : '') + rules;
  writeFileSync(join(config, 'bench.yaml'), resources);
  const wrap = (command: readonly string[]): readonly string[] => cgroup.wrap(command);
  const options = { name, config, cgroup: cgroup.path, wrap, flags };
  const agent = new AgentProcess(program === undefined ? options : { ...options, program });
  const start: BenchPath['start'] = (command) => network.start(client, command, cgroup);
  const proxy = (): readonly number[] => [agent.proxyPid() ?? 0];
  return {
    agent,
    direct: {
      name: 'direct',
      authority: `${server.address4}:${PLAIN_PORT}`,
      start,
      isRuled: false,
      middle: () => [],
    },
    inline: {
      name: 'inline',
      authority: `${server.address4}:${INLINE_PORT}`,
      start,
      isRuled: true,
      middle: () => [],
    },
    proxied: {
      name: 'proxied',
      authority: `${server.address4}:${RULED_PORT}`,
      start,
      isRuled: true,
      middle: proxy,
    },
  };
}
