// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { readBoostCounts } from '../../src/datapath/boost/counts.ts';
import { KernelScene } from '../support/kernel-scene.ts';
import { type LabHost, linesOf, listening, until } from '../support/lab.ts';

const PORT = 9000;
/** More than a 32-bit sequence number counts, and than this machine would want to keep. */
const TOTAL = 4 * 2 ** 30 + 12_345;
const READ_BEFORE = 2 ** 30;
/** What is sent in the middle of something long. */
const MIDDLE = 16 * 2 ** 20;
/** What both ends' buffers hold at most, and far less than all that is sent. */
const KEPT = 64 * 2 ** 20;

const stallingPattern = `
import os,random,select,socket,sys
block=random.Random(7).randbytes((1<<20)+7); twice=block+block; total=int(sys.argv[2])
`;

/**
 * Takes one connection at argv[1] and argv[2] bytes of a known pattern from it. After argv[3] of them it prints how many it has
 * and reads nothing until a line comes; then it prints 'ok', or what was wrong.
 */
const stallingReader = `${stallingPattern}
l=socket.socket(); l.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1); l.bind(('',int(sys.argv[1]))); l.listen(); c=l.accept()[0]
c.setblocking(False); p=select.poll(); p.register(c,select.POLLIN); p.poll(); c.recv(1); c.send(b'k'); got=0; stall=int(sys.argv[3])
while True:
    p.poll()
    try: d=c.recv(1<<18)
    except BlockingIOError: continue
    at=got%len(block); got+=len(d)
    if not d or d!=twice[at:at+len(d)]: break
    if stall and got>=stall: print(got,flush=True); sys.stdin.readline(); stall=0
print('ok' if got==total and not d else 'wrong at %d'%got,flush=True)
`;

/** Connects to argv[3]:argv[1], waits for a line, and sends that pattern; prints how many bytes it has sent whenever it couldn't for a second. */
const stalledWriter = `${stallingPattern}
s=socket.create_connection((sys.argv[3],int(sys.argv[1]))); s.setblocking(False); p=select.poll(); p.register(s,select.POLLIN); s.send(b'h')
p.poll(); s.recv(1); p.modify(s,select.POLLOUT); sys.stdin.readline(); sent=0; rng=random.Random(1)
while sent<total:
    if not p.poll(1000): print(sent,flush=True); continue
    at=sent%len(block)
    try: sent+=s.send(twice[at:at+min(rng.randint(1,1<<18),total-sent)])
    except BlockingIOError: pass
s.close()
`;

describe('boost, and a reader that stalls', () => {
  let scene: KernelScene;
  let client: LabHost;
  let server: LabHost;

  before(() => {
    scene = new KernelScene('bstall');
    client = scene.lab.host('client');
    server = scene.lab.host('server');
    scene.govern([
      { host: client, egress: [{ peer: server, port: PORT, action: 'allow' }], boost: true },
      { host: server, ingress: [{ peer: client, port: PORT, action: 'allow' }], boost: true },
    ]);
  });
  after(() => scene.destroy());

  const start = (host: LabHost, program: string, total: number, ...args: readonly string[]) => {
    const command = scene.inside(['python3', '-c', program, String(PORT), String(total), ...args]);
    const child = scene.lab.start(host, command, { stdio: ['pipe', 'pipe', 'inherit'] });
    return { child, lines: linesOf(child) };
  };

  test('whose writer is far ahead of its reader: it stays on TCP', async () => {
    const counts = () => readBoostCounts(scene.datapath.maps);
    await until('boost', () => scene.datapath.boost.active);
    const reader = start(server, stallingReader, MIDDLE, '1');
    await listening(scene.lab, server, PORT);
    const writer = start(client, stalledWriter, MIDDLE, server.address4);
    writer.child.stdin?.write('go\n');
    await until('the connection to be refused', () => counts().outrun === 1);
    reader.child.stdin?.write('go\n');
    await until('the reader to end', () => reader.lines.length === 2);
    assert.equal(reader.lines[1], 'ok');
    assert.deepEqual([counts().entered, counts().redirected], [0, 0]);
  });

  test('4 GiB: its writer is held up, memory is bounded, nothing is lost', async () => {
    const counts = () => readBoostCounts(scene.datapath.maps);
    await until('boost', () => scene.datapath.boost.active);
    const reader = start(server, stallingReader, TOTAL, String(READ_BEFORE));
    await listening(scene.lab, server, PORT);
    const writer = start(client, stalledWriter, TOTAL, server.address4);
    await until('the connection to enter', () => counts().entered === 1);
    writer.child.stdin?.write('go\n');
    await until('the reader to stall', () => reader.lines.length === 1, 120_000);
    const written = (): number => Number(writer.lines.at(-1) ?? 0);
    await until('the writer to be held up', () => written() >= Number(reader.lines[0]), 60_000);
    const [before, told] = [written(), writer.lines.length];
    await until('the writer to wait on', () => writer.lines.length >= told + 5);
    assert.equal(written(), before);
    assert.ok(
      before - Number(reader.lines[0]) < KEPT,
      `${String(before)} written, ${reader.lines[0] ?? ''} read`,
    );
    reader.child.stdin?.write('go\n');
    await until('the reader to end', () => reader.lines.length === 2, 200_000);
    assert.equal(reader.lines[1], 'ok');
    assert.ok(counts().redirected > 0);
  });
});
