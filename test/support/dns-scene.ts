// SPDX-License-Identifier: Apache-2.0
import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CommandResult, type LabHost, until } from './lab.ts';
import type { NodeScene } from './node-scene.ts';

/** dnsmasq on a machine, which knows `records` (its `host-record`, `cname`, …) and nothing else. */
export async function startDnsmasq(
  node: NodeScene,
  host: LabHost,
  records: readonly string[],
): Promise<ChildProcess> {
  const options = [
    '--keep-in-foreground',
    '--user=root',
    '--conf-file=/dev/null',
    '--no-resolv',
    '--no-hosts',
  ];
  const pid = `--pid-file=${join(node.run, 'dnsmasq.pid')}`;
  const server = node.startIn(host, ['/usr/sbin/dnsmasq', ...options, pid, '--local-ttl=60', ...records]);
  await until('dnsmasq to listen', () => node.lab.run(host, ['ss', '-lunH', 'sport = :53']).stdout !== '');
  return server;
}

/** A command whose programs ask `server`, with the files of names of its machine. */
export function resolvingBy(node: NodeScene, server: string, command: readonly string[]): readonly string[] {
  const file = join(node.run, `resolv-${server.replaceAll(/\W/g, '-')}.conf`);
  writeFileSync(file, `nameserver ${server}\noptions timeout:1 attempts:1\n`);
  const script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"';
  return ['unshare', '--mount', 'sh', '-c', script, file, ...command];
}

/** Sends one datagram from a socket without a peer, as musl's programs do, and waits for an answer. Hex in and out. */
export function askUnconnected(
  node: NodeScene,
  host: LabHost,
  server: string,
  query: Uint8Array,
): CommandResult {
  const script = `import socket,sys
s=socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET,socket.SOCK_DGRAM)
s.settimeout(2)
s.sendto(bytes.fromhex(sys.argv[2]),(sys.argv[1],53))
print(s.recvfrom(4096)[0].hex())`;
  return node.runIn(host, ['python3', '-c', script, server, Buffer.from(query).toString('hex')]);
}
