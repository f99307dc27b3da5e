// SPDX-License-Identifier: Apache-2.0
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { listening } from '../../test/support/lab.ts';
import { PLAIN_PORT } from '../cases.ts';
import { type Network, startDaemon } from '../network.ts';
import type { BenchPath } from '../path.ts';
import type { PlainPair } from './plain.ts';

const PORT = 9001;

export async function haproxyPath(network: Network, pair: PlainPair): Promise<BenchPath> {
  const { client, server, middle } = pair;
  const config = join(network.folder, 'haproxy.cfg');
  writeFileSync(
    config,
    `global
  nbthread 1
  maxconn 8000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend shop
  bind ${middle.address4}:${PORT}
  http-request deny deny_status 403 if { path_beg /admin }
  http-request deny deny_status 403 if !{ method GET POST }
  default_backend server
backend server
  server server ${server.address4}:${PLAIN_PORT}
`,
  );
  const daemon = startDaemon(network, middle, ['haproxy', '-db', '-f', config]);
  await listening(network.lab, middle, PORT);
  return {
    name: 'haproxy',
    authority: `${middle.address4}:${PORT}`,
    start: (command) => network.start(client, command),
    isRuled: true,
    middle: () => [daemon.pid ?? 0],
  };
}
