// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { socketGrantKey } from '../../src/core/abi/grant.ts';
import { grantSocket } from '../../src/datapath/socket-grant.ts';
import { KernelScene } from '../support/kernel-scene.ts';
import { type LabHost, linesOf, until } from '../support/lab.ts';

/** Makes a socket of family argv[1], type argv[2], protocol argv[3]; prints 'made' or the name of the error. */
const makeSocket = `
import socket,sys,errno
try: socket.socket(*map(int,sys.argv[1:4])); print('made')
except OSError as e: print(errno.errorcode[e.errno])
`;

/** Sets option argv[5] of level argv[4] on the socket of argv[1..3]; prints 'set' or the name of the error. */
const setOption = `
import socket,sys,errno
s=socket.socket(*map(int,sys.argv[1:4]))
try: s.setsockopt(int(sys.argv[4]),int(sys.argv[5]),1); print('set')
except OSError as e: print(errno.errorcode[e.errno])
`;

const INET = 2;
const INET6 = 10;
const DGRAM = 2;
const RAW = 3;

describe('packets that a program builds itself', () => {
  let scene: KernelScene;
  let client: LabHost;
  let stranger: LabHost;

  before(() => {
    scene = new KernelScene('raw');
    client = scene.lab.host('client');
    stranger = scene.lab.host('stranger');
    scene.govern([{ host: client }]);
  });
  after(() => scene.destroy());

  const make = (from: LabHost, ...socket: number[]): string =>
    scene.python(from, makeSocket, ...socket.map(String));
  const set = (from: LabHost, ...option: number[]): string =>
    scene.python(from, setOption, ...option.map(String));

  for (const [name, protocol] of [
    ['TCP', 6],
    ['UDP', 17],
    ['SCTP', 132],
    ['IP in IP', 4],
    ['destination options, behind which UDP may stand', 60],
    ['headers and all', 255],
  ] as const) {
    test(`a raw socket of ${name} is refused to governed workloads alone, whatever their policy`, () => {
      const before = scene.drops('protocol-refused');
      assert.equal(make(client, INET, RAW, protocol), 'EPERM');
      assert.equal(make(client, INET6, RAW, protocol), 'EPERM');
      assert.equal(scene.drops('protocol-refused') - before, 2);
      assert.equal(make(stranger, INET, RAW, protocol), 'made');
      assert.equal(make(stranger, INET6, RAW, protocol), 'made');
    });
  }

  for (const [name, ...option] of [
    ['IP_HDRINCL', INET, RAW, 1, 0, 3],
    ['IPV6_HDRINCL', INET6, RAW, 58, 41, 36],
    ['IPV6_HDRINCL by the level of raw sockets', INET6, RAW, 58, 255, 36],
    ['IP_TRANSPARENT', INET, DGRAM, 17, 0, 19],
    ['IPV6_TRANSPARENT', INET6, DGRAM, 17, 41, 75],
    ['IPV6_FREEBIND', INET6, DGRAM, 17, 41, 78],
    ['IP_FREEBIND of IPv6', INET6, DGRAM, 17, 0, 15],
  ] as const) {
    test(`${name} would let a socket choose its source: refused to governed workloads alone`, () => {
      const before = scene.drops('source-forged');
      assert.equal(set(client, ...option), 'EPERM');
      assert.equal(scene.drops('source-forged') - before, 1);
      assert.equal(set(stranger, ...option), 'set');
    });
  }

  test('other options reach the kernel as they are, even longer than a page', () => {
    const program = `
import socket,struct,errno
s=socket.socket(); s.setsockopt(6,1,1); print(s.getsockopt(6,1))
u=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); group=b'\\xe8\\1\\1\\1'
try: u.setsockopt(0,41,group+struct.pack('III',0,1,2000)+b'\\1'*8000)
except OSError as e: print(errno.errorcode[e.errno])
`;
    assert.equal(scene.python(client, program), '1\nENOBUFS', 'more sources than the kernel takes');
  });

  test('a socket cannot be bound to, and send under, the IPv6 address of somebody else', () => {
    const program = `
import socket,sys,errno
s=socket.socket(socket.AF_INET6,socket.SOCK_DGRAM)
try: s.bind((sys.argv[1],5353)); print('bound')
except OSError as e: print(errno.errorcode[e.errno])
`;
    assert.equal(scene.python(client, program, stranger.address6), 'EADDRNOTAVAIL');
  });

  test('Perigee may make one raw socket in a governed namespace, when it has said so', async () => {
    const program = `
import socket,sys,os
print(os.getpid(),flush=True)
for line in sys.stdin:
    try: socket.socket(socket.AF_INET,socket.SOCK_RAW,255); print('made',flush=True)
    except OSError as e: print(e.errno,flush=True)
`;
    const child = scene.lab.start(client, scene.inside(['python3', '-c', program]), {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const lines = linesOf(child);
    await until('the process', () => lines.length === 1);
    const attempt = async (): Promise<string | undefined> => {
      const seen = lines.length;
      child.stdin?.write('\n');
      await until('its answer', () => lines.length > seen);
      return lines.at(-1);
    };
    const { maps } = scene.datapath;
    assert.equal(await attempt(), '1');
    grantSocket(maps, Number(lines[0]));
    assert.equal(await attempt(), 'made');
    assert.equal(await attempt(), '1');
    const { ino } = statSync('/proc/self/ns/pid');
    const key = socketGrantKey.encode({ process: Number(lines[0]), pidNamespace: ino });
    maps.socket_grants.update(key, Buffer.from(new BigUint64Array([process.hrtime.bigint()]).buffer));
    assert.equal(await attempt(), '1', 'a grant that has run out');
    child.stdin?.end();
  });
});
