// SPDX-License-Identifier: Apache-2.0
// Upgrade and rollback across a change of the layout of what is pinned, under load.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { controlSocketName, stateFileName } from '../../src/core/proxy/places.ts';
import { LAYOUT_VERSION } from '../../src/core/state/layout-version.ts';
import { type LabHost, until } from './lab.ts';
import { NodeScene } from './node-scene.ts';
import { OtherBuild } from './other-build.ts';
import { load, PLAIN, RULED, serverPolicyYaml, shortLived, startNginx, workloadsYaml } from './web-scene.ts';

const NEXT = LAYOUT_VERSION + 1;
const versions: Readonly<Record<string, number>> = { 'the next': NEXT, this: LAYOUT_VERSION };

/** Says once that it has begun, then of every attempt what is not as it should be: an answer to /admin, or a connection to a port without a rule. */
const prober = `
import socket, sys
address, ruled, closed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
print('begun', flush=True)
while True:
    try:
        s = socket.create_connection((address, ruled), 5)
        s.sendall(b'GET /admin HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n')
        got = s.recv(64)
        s.close()
    except OSError:
        got = b''
    if got and b' 403 ' not in got: print('answered', got, flush=True)
    try:
        socket.create_connection((address, closed), 5)
        print('connected', flush=True)
    except PermissionError:
        pass
    except OSError as error:
        print('not judged', error, flush=True)
`;

/** Two connections that are open before: what a request gets on each once the file is there. */
const holder = `
import os, socket, sys, time
address, ruled, plain, go = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
def ask(s, path):
    try:
        s.sendall(f'GET {path} HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n'.encode())
        return s.recv(4096)[9:12].decode() or 'closed'
    except OSError:
        return 'closed'
sockets = [socket.create_connection((address, port), 5) for port in (ruled, plain)]
for s in sockets: s.settimeout(5)
first = [ask(s, '/') for s in sockets]
print(*first, flush=True)
while not os.path.exists(go): time.sleep(0.05)
print(ask(sockets[0], '/admin'), ask(sockets[1], '/'), flush=True)
`;

/** @param inline whether HTTP policy is decided in the kernel where it can be, or by the proxy */
export function describeSuccession(inline: 'auto' | 'off'): void {
  describe(`another layout takes over, with HTTP decided ${inline === 'auto' ? 'in the kernel' : 'by the proxy'}`, () => {
    const node = new NodeScene(`suc-${inline}`, { inline });
    const other = new OtherBuild(NEXT);
    let web: LabHost;
    let api: LabHost;

    before(async () => {
      web = node.lab.host('web');
      api = node.lab.host('api');
      await startNginx(node, api);
      node.write('workloads.yaml', workloadsYaml(web, api));
      node.write('policy.yaml', serverPolicyYaml(api));
      await node.startAgent();
      await node.settled();
    });
    after(async () => {
      await node.destroy();
      other[Symbol.dispose]();
    });

    const url = (port: number): string => `http://${api.address4}:${String(port)}/`;
    /** A program of the client that says something, and what it has said. */
    const saying = (program: string, ...args: readonly string[]) => {
      const command = node.inside(['python3', '-c', program, api.address4, ...args]);
      const child = node.lab.start(web, command, { stdio: ['ignore', 'pipe', 'inherit'] });
      let said = '';
      child.stdout?.on('data', (text: Buffer) => (said += text.toString()));
      return { child, said: () => said };
    };
    const probe = () => saying(prober, String(RULED), '9001');
    const holds = (go: string) => saying(holder, String(RULED), String(PLAIN), go).said;
    /** What of Perigee is attached to the scene's cgroup, each as often as it is. */
    const attached = (): string[] => {
      const text = execFileSync('bpftool', ['-j', 'cgroup', 'show', node.cgroup], { encoding: 'utf8' });
      return (JSON.parse(text) as { readonly name: string }[]).map(({ name }) => name);
    };

    for (const [to, version] of Object.entries(versions)) {
      test(`to ${to} one: no request fails, nothing that is forbidden passes, nothing is left`, async () => {
        const seconds = 6;
        const loads = Promise.all([
          load(node, web, url(PLAIN), { seconds, connections: 4 }),
          load(node, web, url(PLAIN), { seconds, connections: 2, flags: shortLived }),
          load(node, web, url(RULED), { seconds, connections: 2, flags: shortLived }),
        ]);
        const { child, said } = probe();
        await until('the first attempt', () => said() === 'begun\n');
        const go = join(node.run, `go-${String(version)}`);
        const holding = holds(go);
        await until('open connections', () => holding() === '200 200\n');
        const proxy = node.status()?.proxy.pid ?? 0;
        await node.killAgent('SIGTERM');
        node.program = version === NEXT ? other.program : join(import.meta.dirname, '../../bin/perigee');
        await node.startAgent();
        await node.settled();
        await until(
          'the other version to go',
          () => readdirSync(node.pinRoot).join() === `v${String(version)}`,
        );
        for (const report of await loads) {
          assert.deepEqual(report.complaints, []);
          assert.ok(report.requests > 0);
        }
        writeFileSync(go, '');
        await until('their answers', () => holding().trim().split('\n').length === 2);
        // Where a request ends on the first is in maps that have gone: it is closed, or its old proxy judges it.
        assert.match(holding(), /\n(closed|403) 200\n$/);
        child.kill();
        assert.equal(said(), 'begun\n');
        const names = attached();
        assert.deepEqual(names, [...new Set(names)]);
        assert.notEqual(node.status()?.proxy.pid, proxy);
        await until('the other proxy to end', () => !isAlive(proxy), 40_000);
        assert.equal(node.curl(web, `${url(RULED)}admin`).status, '403');
      });
    }

    test('what a version left that was killed in its first moments is swept, too', async () => {
      const pins = join(node.pinRoot, 'v1/maps');
      await node.killAgent();
      mkdirSync(pins, { recursive: true });
      writeFileSync(join(node.run, 'proxy-v1.sock'), '');
      writeFileSync(join(node.run, stateFileName('proxy-v1.sock')), '{}');
      await node.startAgent();
      await node.settled();
      await until('its pins to go', () => readdirSync(node.pinRoot).join() === `v${String(LAYOUT_VERSION)}`);
      await until('its files to go', () => {
        const left = readdirSync(node.run).filter((name) => name.startsWith('proxy-'));
        return left.every((name) =>
          [controlSocketName, stateFileName()].some((ours) => name.startsWith(ours)),
        );
      });
    });
  });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
