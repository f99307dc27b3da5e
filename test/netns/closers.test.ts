// SPDX-License-Identifier: Apache-2.0
// Who ended a connection, as its record says: seen from the client's socket, and from the server's if the client is not ours.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type LabHost, listening, until } from '../support/lab.ts';
import { NodeScene } from '../support/node-scene.ts';
import { workloadsYaml } from '../support/web-scene.ts';

const PORT = 9000;

/** Does as the client's first byte says: `c` closes first, `r` resets, anything else waits until the client has ended. */
const server = `
import socket,struct,sys,threading
def serve(c):
    b=c.recv(1)
    if b==b'r': c.setsockopt(socket.SOL_SOCKET,socket.SO_LINGER,struct.pack('ii',1,0))
    elif b!=b'c':
        try:
            while c.recv(4096): pass
        except OSError: pass
    c.close()
s=socket.socket(); s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1); s.bind(('',int(sys.argv[1]))); s.listen(64)
while True: threading.Thread(target=serve,args=(s.accept()[0],),daemon=True).start()
`;

/** Sends the word's first byte; \`reset\` resets, \`close\` closes, the others wait for the server's end. */
const client = `
import socket,struct,sys
word=sys.argv[3]; s=socket.create_connection((sys.argv[1],int(sys.argv[2])),5); s.sendall({'server':b'c','server-reset':b'r'}.get(word,b'w'))
if word=='client-reset': s.setsockopt(socket.SOL_SOCKET,socket.SO_LINGER,struct.pack('ii',1,0))
elif word!='client':
    try:
        while s.recv(4096): pass
    except OSError: pass
s.close()
`;

interface Close {
  readonly closer?: string;
  readonly source: { readonly port: number; readonly workload?: string };
}

describe('the record of a close', () => {
  let node: NodeScene;
  let api: LabHost;
  let web: LabHost;
  let stranger: LabHost;

  before(async () => {
    node = new NodeScene('closers');
    api = node.lab.host('api');
    web = node.lab.host('web');
    stranger = node.lab.host('stranger');
    node.startIn(api, ['python3', '-c', server, String(PORT)]);
    await listening(node.lab, api, PORT);
    node.write('workloads.yaml', workloadsYaml(api, web));
    await node.startAgent();
    await node.settled();
  });
  after(() => node.destroy());

  const closes = (): Close[] => node.flows('--all', '--kind', 'close', '--port', String(PORT)) as Close[];

  for (const word of ['client', 'server', 'client-reset', 'server-reset']) {
    for (const [name, from] of [
      ['a workload', (): LabHost => web],
      ['a stranger', (): LabHost => stranger],
    ] as const) {
      test(`says ${word} when that ended it, for ${name}`, async () => {
        const known = closes().length;
        const result = node.runIn(from(), ['python3', '-c', client, api.address4, String(PORT), word]);
        assert.equal(result.stderr, '');
        await until('the record', () => closes().length > known);
        assert.deepEqual(
          closes()
            .slice(known)
            .map(({ closer }) => closer),
          [word],
        );
      });
    }
  }
});
