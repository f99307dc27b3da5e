// SPDX-License-Identifier: Apache-2.0
import { PLAIN_PORT } from '../cases.ts';
import { childrenOf } from '../machine-use.ts';
import { type Network, startNginx } from '../network.ts';
import type { BenchPath } from '../path.ts';
import type { PlainPair } from './plain.ts';

const PORT = 9002;

/** nginx as a reverse proxy that keeps its connections to the server open. */
export async function nginxPath(network: Network, pair: PlainPair): Promise<BenchPath> {
  const { client, server, middle } = pair;
  const http = `  upstream server {
    server ${server.address4}:${PLAIN_PORT};
    keepalive 256; keepalive_requests 1000000000; keepalive_time 24h;
  }
  server {
    listen ${middle.address4}:${PORT} backlog=4096;
    location /admin { return 403; }
    location / {
      limit_except GET POST { deny all; }
      proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
      proxy_max_temp_file_size 0; proxy_pass http://server;
    }
  }`;
  const master = await startNginx(network, middle, { name: 'nginx-proxy', http, port: PORT });
  return {
    name: 'nginx',
    authority: `${middle.address4}:${PORT}`,
    start: (command) => network.start(client, command),
    isRuled: true,
    middle: () => childrenOf(master.pid ?? 0),
  };
}
