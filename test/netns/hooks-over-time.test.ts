// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { type HookNeed, hooksFor, pinLayout } from '../../src/datapath/layout.ts';
import { KernelScene, sceneState } from '../support/kernel-scene.ts';
import { Held } from '../support/held.ts';
import { type LabHost, linesOf, listening, until } from '../support/lab.ts';
import { echoServer, tcpClient, tcpServer, udpClient, udpServer } from '../support/programs.ts';

describe('the hooks, after the first packet', () => {
  let scene: KernelScene;
  let client: LabHost;
  let server: LabHost;
  let stranger: LabHost;

  before(async () => {
    scene = new KernelScene('overtime');
    client = scene.lab.host('client');
    server = scene.lab.host('server');
    stranger = scene.lab.host('stranger');
    scene.serve(server, tcpServer, '8080');
    scene.serve(server, echoServer, '8090');
    scene.serve(server, udpServer, '53');
    for (const port of [8080, 8090]) await listening(scene.lab, server, port);
  });
  after(() => scene.destroy());

  test('a namespace whose path is lost stays governed while processes live in it', async () => {
    const guest = scene.lab.host('lost');
    const program = `
import socket,sys,errno
print('here',flush=True); sys.stdin.readline()
try: socket.create_connection((sys.argv[1],8080),3); print('connected',flush=True)
except OSError as e: print(errno.errorcode.get(e.errno,str(e)),flush=True)
`;
    const child = scene.lab.start(guest, scene.inside(['python3', '-c', program, server.address4]), {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const lines = linesOf(child);
    await until('the process', () => lines.length === 1);
    const governed = [{ host: guest, egress: [] }, { host: server }];
    scene.govern(governed);
    scene.lab.remove(guest);
    const state = sceneState(governed);
    assert.deepEqual(
      scene.datapath.capture(state.workloads).map(({ kept }) => kept),
      [true],
    );
    scene.datapath.apply(state);
    child.stdin?.write('\n');
    await until('its answer', () => lines.length === 2);
    assert.equal(lines[1], 'EPERM');
  });

  test('a namespace that was made again under its name: the old one stays governed beside it until it is empty', async () => {
    const guest = scene.lab.host('twice');
    const held = await Held.open(scene, guest, [server.address4, 8090]);
    assert.equal(held.opened, 'open');
    const govern = (ports: readonly number[]): readonly bigint[] => {
      const egress = ports.map((port) => ({ peer: server, port, action: 'allow' as const }));
      const state = sceneState([{ host: guest, egress }, { host: server }]);
      assert.deepEqual(scene.datapath.capture(state.workloads), []);
      scene.datapath.apply(state);
      const { enrolled } = scene.datapath;
      return enrolled.filter(({ workload }) => workload.key === 'lab/twice').map(({ kernelId }) => kernelId);
    };
    const [first, ...none] = govern([8090]);
    assert.equal(none.length, 0);
    scene.lab.remove(guest);
    const second = scene.lab.host('twice');
    assert.equal(govern([8090]).length, 2);
    // The next agent finds it, too, and so does a sweep.
    scene.datapath.close();
    scene.replace(scene.load());
    assert.equal(govern([8090]).length, 2);
    assert.equal(scene.datapath.hasEmptied(), false);
    assert.match(scene.python(second, tcpClient, server.address4, '8080'), /^EPERM/);
    assert.equal(await held.ping(), 'ping');
    govern([]);
    assert.equal(scene.datapath.sweep('first').closed, 1);
    assert.equal(await held.ended(), 'ECONNABORTED');
    assert.equal(scene.datapath.hasEmptied(), true);
    const last = govern([]);
    assert.equal(last.length, 1);
    assert.notEqual(last[0], first);
  });

  const programsOf = (wanted: HookNeed): string[] => hooksFor(wanted).map(({ program }) => program);
  const attached = (wanted: HookNeed): string[] => {
    const links = readdirSync(pinLayout(scene.pinRoot).links);
    return programsOf(wanted).filter((program) => links.includes(program));
  };

  test('what shows the addresses of proxied connections is attached while some policy needs the proxy', () => {
    const governed = (action: 'allow' | 'proxy'): void =>
      scene.govern([{ host: client, egress: [{ peer: server, port: 8080, action }] }, { host: server }]);
    governed('allow');
    scene.datapath.sweep('rest');
    assert.deepEqual(attached('proxied'), []);
    governed('proxy');
    assert.deepEqual(attached('proxied'), programsOf('proxied'));
    assert.equal(attached('proxied').length, 4);
    governed('allow');
    assert.equal(attached('proxied').length, 4);
    scene.datapath.sweep('rest');
    assert.deepEqual(attached('proxied'), []);
  });

  test('a hook on demand is attached while the state needs it, and taken over by the next agent', () => {
    const all = programsOf('datagrams');
    assert.notEqual(all.length, 0);
    scene.govern([{ host: client, egress: [] }]);
    assert.deepEqual(attached('datagrams'), []);
    scene.govern([{ host: client, ingress: [] }]);
    assert.deepEqual(attached('datagrams'), all);
    scene.datapath.close();
    const again = scene.load();
    for (const program of all) assert.ok(again.loaded.kept.includes(program), program);
    scene.replace(again);
    assert.equal(scene.python(stranger, udpClient, client.address4, '53', 'unconnected'), 'silence');
    scene.govern([{ host: client, egress: [] }]);
    assert.deepEqual(attached('datagrams'), []);
  });

  test('a connected datagram socket hears its peer, whatever ingress policy says', () => {
    scene.govern([
      { host: client, egress: [{ peer: server, protocol: 'UDP', port: 53, action: 'allow' }], ingress: [] },
      { host: server },
    ]);
    const program = `
import socket,sys
s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.settimeout(2); s.connect((sys.argv[1],53))
for i in range(3): s.send(b'hi'); s.recv(9)
print('heard')
`;
    assert.equal(scene.python(client, program, server.address4), 'heard');
  });

  test('an allowed datagram from outside is recorded once for each peer', () => {
    scene.govern([{ host: server, ingress: [{ protocol: 'UDP', port: 53, action: 'allow' }] }]);
    scene.records();
    assert.equal(scene.python(stranger, udpClient, server.address4, '53', 'unconnected'), 'ok hi');
    const [record, ...more] = scene
      .records()
      .filter(({ protocol, direction }) => protocol === 17 && direction === 2);
    assert.equal(more.length, 0);
    assert.equal(record?.verdict, 1);
  });

  test('a datagram behind an IPv6 extension header is judged like any other', () => {
    const program = `
import socket,sys
s=socket.socket(socket.AF_INET6,socket.SOCK_DGRAM); s.settimeout(0.7)
s.setsockopt(socket.IPPROTO_IPV6,socket.IPV6_DSTOPTS,bytes([0,0,1,4,0,0,0,0]))
s.sendto(b'hi',(sys.argv[1],53))
try: print(s.recv(9).decode())
except socket.timeout: print('silence')
`;
    scene.govern([{ host: server, ingress: [{ protocol: 'UDP', port: 53, action: 'allow' }] }]);
    assert.equal(scene.python(stranger, program, server.address6), 'hi');
    scene.govern([{ host: server, ingress: [] }]);
    const before = scene.drops('policy-no-rule');
    assert.equal(scene.python(stranger, program, server.address6), 'silence');
    assert.equal(scene.drops('policy-no-rule') - before, 1);
  });

  test('a ring that fills up wakes its reader, who need not ask', async () => {
    scene.govern([{ host: client, egress: [] }]);
    scene.records();
    let woken = 0;
    const ring = new scene.native.RingBuffer([scene.datapath.maps.denials], (_, __, offsets) => {
      woken += offsets.length - 1;
    });
    await setImmediate(); // the loop looks at what it begins to watch: the ring is empty then
    const program = `
import socket,sys
s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)
for i in range(2000):
    try: s.sendto(b'hi',(sys.argv[1],53))
    except PermissionError: pass
`;
    try {
      assert.equal(scene.python(client, program, server.address4), '');
      await until('the records', () => woken >= 2000);
    } finally {
      ring.close();
    }
  });
});
