// SPDX-License-Identifier: Apache-2.0
import type { AgentProcess } from '../test/support/agent-process.ts';
import { GovernedCgroup } from './governed-cgroup.ts';
import { createNetwork, destroyNetwork, type Network } from './network.ts';
import type { BenchPath, MissingPath, PathName } from './path.ts';
import { envoyPath } from './paths/envoy.ts';
import { haproxyPath } from './paths/haproxy.ts';
import { nginxPath } from './paths/nginx.ts';
import { perigeePaths } from './paths/perigee.ts';
import { barePath, createPlainPair } from './paths/plain.ts';

/** Paths of Perigee. */
const governed: readonly PathName[] = ['direct', 'inline', 'proxied'];

/** Everything that a run puts on the host, and how it goes away again. */
export class Testbed {
  readonly #prefix: string;
  #network: Network | undefined;
  #cgroup: GovernedCgroup | undefined;
  #agent: AgentProcess | undefined;

  /** @param prefix short: names of namespaces, pins and the cgroup begin with it */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  async build(
    wanted: readonly PathName[],
  ): Promise<{ readonly paths: readonly BenchPath[]; readonly missing: readonly MissingPath[] }> {
    const network = createNetwork(this.#prefix);
    this.#network = network;
    const pair = await createPlainPair(network);
    const built: (BenchPath | MissingPath)[] = [barePath(network, pair)];
    if (governed.some((name) => wanted.includes(name))) built.push(...(await this.#govern(network)));
    if (wanted.includes('haproxy')) built.push(await haproxyPath(network, pair));
    if (wanted.includes('nginx')) built.push(await nginxPath(network, pair));
    if (wanted.includes('envoy')) built.push(await envoyPath(network, pair));
    const chosen = built.filter((path) => wanted.includes(path.name));
    return {
      paths: chosen.filter((path): path is BenchPath => 'start' in path),
      missing: chosen.filter((path): path is MissingPath => 'missing' in path),
    };
  }

  /** What Perigee has to say; for a run in which its paths failed. */
  logs(): string {
    return this.#agent?.logs(30) ?? '';
  }

  /** Takes it all down, the governed side first. Once is enough, twice does no harm. */
  async destroy(): Promise<void> {
    const [agent, network, cgroup] = [this.#agent, this.#network, this.#cgroup];
    this.#agent = this.#network = this.#cgroup = undefined;
    try {
      await agent?.cleanup();
    } finally {
      if (network !== undefined) await destroyNetwork(network);
      await cgroup?.remove();
    }
  }

  async #govern(network: Network): Promise<readonly BenchPath[]> {
    const name = `perigee-${this.#prefix}`;
    const cgroup = new GovernedCgroup(name);
    this.#cgroup = cgroup;
    const { agent, direct, inline, proxied } = await perigeePaths(network, cgroup, name);
    this.#agent = agent;
    await agent.clear();
    await agent.start();
    return [direct, inline, proxied];
  }
}
