// SPDX-License-Identifier: Apache-2.0
import type { AgentProcess } from '../test/support/agent-process.ts';
import { GovernedCgroup } from './governed-cgroup.ts';
import { createNetwork, destroyNetwork, type Network } from './network.ts';
import type { BenchPath, MissingPath, PathName } from './path.ts';
import { envoyPath } from './paths/envoy.ts';
import { haproxyPath } from './paths/haproxy.ts';
import { nginxPath } from './paths/nginx.ts';
import { type PerigeeKind, type PerigeePaths, perigeePaths } from './paths/perigee.ts';
import { barePath, createPlainPair } from './paths/plain.ts';

/** Paths of the node that has HTTP rules; `direct` and `direct-boost` have nodes of their own that have none. */
const ruled: readonly PathName[] = ['inline', 'proxied'];
/** Paths of the node that has them and whose workloads ask for boost. */
const ruledBoosted: readonly PathName[] = ['boost', 'proxied-boost'];

const suffixes: Readonly<Record<PerigeeKind, string>> = {
  layer4: '4',
  layer7: '',
  'layer4-boost': 'b',
  'layer7-boost': 'p',
};

/** Everything that a run puts on the host, and how it goes away again. */
export class Testbed {
  readonly #prefix: string;
  #network: Network | undefined;
  readonly #cgroups: GovernedCgroup[] = [];
  readonly #agents: AgentProcess[] = [];

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
    if (wanted.includes('direct')) built.push((await this.#govern(network, 'layer4')).direct);
    if (wanted.includes('direct-boost')) {
      const { direct } = await this.#govern(network, 'layer4-boost');
      built.push({ ...direct, name: 'direct-boost' });
    }
    if (ruledBoosted.some((name) => wanted.includes(name))) {
      const { inline, proxied } = await this.#govern(network, 'layer7-boost');
      built.push({ ...inline, name: 'boost' }, { ...proxied, name: 'proxied-boost' });
    }
    if (ruled.some((name) => wanted.includes(name))) {
      const { inline, proxied } = await this.#govern(network, 'layer7');
      built.push(inline, proxied);
    }
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
    return this.#agents.map((agent) => agent.logs(30)).join('\n');
  }

  /** Takes it all down, the governed side first. Once is enough, twice does no harm. */
  async destroy(): Promise<void> {
    const network = this.#network;
    this.#network = undefined;
    const [agents, cgroups] = [this.#agents.splice(0), this.#cgroups.splice(0)];
    try {
      await Promise.all(agents.map((agent) => agent.cleanup()));
    } finally {
      if (network !== undefined) await destroyNetwork(network);
      await Promise.all(cgroups.map((cgroup) => cgroup.remove()));
    }
  }

  async #govern(network: Network, kind: PerigeeKind): Promise<PerigeePaths> {
    const name = `perigee-${this.#prefix}${suffixes[kind]}`;
    const cgroup = new GovernedCgroup(name);
    this.#cgroups.push(cgroup);
    const paths = await perigeePaths(network, cgroup, name, { kind });
    this.#agents.push(paths.agent);
    await paths.agent.clear();
    await paths.agent.start();
    return paths;
  }
}
