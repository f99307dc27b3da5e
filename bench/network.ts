// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Lab, type LabHost, listening } from '../test/support/lab.ts';
import { bulkFileBytes, INLINE_PORT, PLAIN_PORT, RULED_PORT } from './cases.ts';
import type { GovernedCgroup } from './governed-cgroup.ts';

/** The machines, joined by veth pairs and one bridge. */
export interface Network {
  readonly lab: Lab;
  /** For configuration files and logs; goes with the network. */
  readonly folder: string;
  /** Starts a command with its output piped, optionally in the governed cgroup. */
  readonly start: (host: LabHost, command: readonly string[], cgroup?: GovernedCgroup) => ChildProcess;
}

export function createNetwork(prefix: string): Network {
  const lab = Lab.create(prefix);
  const folder = mkdtempSync(join(tmpdir(), `${prefix}-`));
  const start: Network['start'] = (host, command, cgroup) => {
    const inside = ['ip', 'netns', 'exec', host.netns, ...command];
    const [program = '', ...rest] = cgroup === undefined ? inside : cgroup.wrap(inside);
    return lab.own(spawn(program, rest, { stdio: ['ignore', 'pipe', 'pipe'] }));
  };
  return { lab, folder, start };
}

export async function destroyNetwork(network: Network): Promise<void> {
  try {
    await network.lab.destroy();
  } finally {
    rmSync(network.folder, { recursive: true, force: true });
  }
}

/** Adds a machine with enough local ports for short connections. */
export function addMachine(network: Network, name: string): LabHost {
  const host = network.lab.host(name);
  network.lab.run(host, ['sysctl', '-qw', 'net.ipv4.ip_local_port_range=10000 65000']);
  return host;
}

/** Starts a daemon in the foreground, with its log in the folder. */
export function startDaemon(
  network: Network,
  host: LabHost,
  command: readonly string[],
  cgroup?: GovernedCgroup,
): ChildProcess {
  const child = network.start(host, command, cgroup);
  // What nobody reads would block it one day.
  child.stdout?.resume();
  child.stderr?.resume();
  return child;
}

/** nginx with one worker; `http` is the content of its http block. */
export async function startNginx(
  network: Network,
  host: LabHost,
  options: {
    readonly name: string;
    readonly http: string;
    readonly port: number;
    readonly cgroup?: GovernedCgroup;
  },
): Promise<ChildProcess> {
  const { name, http, port, cgroup } = options;
  const config = join(network.folder, `${name}.conf`);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((use) => `${use}_temp_path ${network.folder}/${name}-${use};`)
    .join(' ');
  writeFileSync(
    config,
    `user root; worker_processes 1; daemon off; pid ${network.folder}/${name}.pid;
error_log ${network.folder}/${name}.log;
events { worker_connections 8192; }
http {
  access_log off; server_tokens off; sendfile on; tcp_nopush on; tcp_nodelay on; ${temporary}
  keepalive_requests 1000000000; keepalive_time 24h; keepalive_timeout 600;
${http}
}
`,
  );
  const child = startDaemon(
    network,
    host,
    ['nginx', '-p', network.folder, '-c', config, '-e', `${network.folder}/${name}.log`],
    cgroup,
  );
  await listening(network.lab, host, port);
  return child;
}

/** The server of every path: small bodies from memory, the large one from the page cache. */
export async function startServer(network: Network, host: LabHost, cgroup?: GovernedCgroup): Promise<void> {
  const file = join(network.folder, 'bulk');
  writeFileSync(file, Buffer.alloc(bulkFileBytes, 'perigee '));
  const http = `  server {
    listen ${host.address4}:${PLAIN_PORT} backlog=4096; listen ${host.address4}:${RULED_PORT} backlog=4096;
    listen ${host.address4}:${INLINE_PORT} backlog=4096;
    location = / { return 200 "hello world, this is a small body\\n"; }
    location = /1k { return 200 "${'x'.repeat(1024)}"; }
    location = /bulk { default_type application/octet-stream; alias ${file}; }
    location = /admin { return 200 "only for those who may\\n"; }
  }`;
  const shared = { name: `server-${host.name}`, http, port: PLAIN_PORT };
  await startNginx(network, host, cgroup === undefined ? shared : { ...shared, cgroup });
}
