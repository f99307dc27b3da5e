// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type LabHost, listening } from '../support/lab.ts';
import { NodeScene } from '../support/node-scene.ts';
import { listeningServer, rawTcp } from '../support/raw-tcp.ts';
import { workloadsYaml } from '../support/web-scene.ts';

/** Plain, as deferred and as Fast Open listener; and where a request needs a token. */
const RULED = 8080;
const DEFERRED = 8081;
const FAST = 8082;
const TOKEN = 8083;

const OWN4 = '10.77.0.200';
const OWN6 = 'fd77::c8';

const policyYaml = `apiVersion: perigee.dev/v1alpha1
kind: AccessPolicy
metadata: {name: server, namespace: shop}
spec:
  selector: {matchLabels: {app: server}}
  ingress:
  - name: requests
    action: Allow
    to: [{port: ${String(RULED)}}, {port: ${String(DEFERRED)}}, {port: ${String(FAST)}}]
    http: [{methods: [GET, POST], path: {type: PathPrefix, value: /}}]
  - name: not-evil
    action: Deny
    to: [{port: ${String(RULED)}}, {port: ${String(DEFERRED)}}, {port: ${String(FAST)}}]
    http: [{path: {type: PathPrefix, value: /evil}}]
  - name: with-a-token
    action: Allow
    to: [{port: ${String(TOKEN)}}]
    http: [{headers: [{name: x-token, type: Exact, value: yes}]}]
`;

interface Attack {
  readonly name: string;
  readonly program: string;
  readonly port?: number;
  readonly six?: boolean;
}

const destinationOptions = (count: number): string =>
  `b''.join(bytes([60 if i<${String(count - 1)} else 6,0,1,4,0,0,0,0]) for i in range(${String(count)}))`;

/** As clients do whose SYN with data gets no answer. */
const synWithData = (syn: string): string => `c=Connection()
try: ${syn}
except TimeoutError: c.syn()
time.sleep(0)`;

const attacks: Attack[] = [
  { name: 'whole', program: 'Connection().open().send(0,E)' },
  { name: 'one byte each', program: 'c=Connection().open()\nfor i in range(len(E)): c.send(i,E[i:i+1])' },
  {
    name: 'its end first',
    program: 'c=Connection().open(); c.send(7,E[7:]); c.send(0,E[:7]); c.send(7,E[7:])',
  },
  {
    name: 'every second byte first',
    program: 'c=Connection().open()\nfor i in [*range(1,len(E),2),*range(0,len(E),2)]: c.send(i,E[i:i+1])',
  },
  {
    name: 'behind a copy with a bad checksum',
    program: 'c=Connection().open(); c.send(0,G,spoil=True); c.send(0,E)',
  },
  {
    name: 'behind a copy that acknowledges what was never sent',
    program: 'c=Connection().open(); c.send(0,G,ack=5000); c.send(0,E)',
  },
  { name: 'behind a copy without ACK', program: 'c=Connection().open(); c.send(0,G,flags=PSH); c.send(0,E)' },
  {
    name: 'behind a copy with SYN',
    program: 'c=Connection().open(); c.send(0,G,flags=SYN|ACK); c.send(0,E)',
  },
  {
    name: 'behind a copy with an old timestamp',
    program:
      'c=Connection(stamps=True).open(); c.send(0,G,old=True); c.send(0,E); c.send(len(G),G); c.send(0,E+G)',
  },
  {
    name: 'in a body whose head had an old timestamp',
    program: `c=Connection(stamps=True).open(); P=b'POST /good HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: %d\\r\\n\\r\\n'%len(E)
A=b'GET /good HTTP/1.1\\r\\nHost: a\\r\\nx: '.ljust(len(P)-4,b'x')+b'\\r\\n\\r\\n'
c.send(0,P,old=True); c.send(len(P),E); c.send(0,A)`,
  },
  {
    name: 'overlapping what was read, from the middle',
    program: `c=Connection().open(); c.send(0,G[:5]); c.send(3,b' /evil'+G[9:]); c.send(5,b'evil'+G[9:])`,
  },
  {
    name: 'with an urgent byte in it',
    program: `c=Connection().open(); c.send(0,E.replace(b'evil',b'eXvil'),flags=ACK|URG,urgent=7)`,
  },
  {
    name: 'with an urgent byte that an empty segment announced',
    program: `c=Connection().open(); c.send(0,b'',flags=ACK|URG,urgent=7); c.send(0,E.replace(b'evil',b'eXvil'))`,
  },
  {
    name: 'with an urgent byte that a repeated segment announced',
    program: `c=Connection().open(); c.send(0,G); n=len(G); c.send(n-1,G[-1:],flags=ACK|URG,urgent=8); c.send(n,E.replace(b'evil',b'eXvil'))`,
  },
  {
    name: 'with the SYN, without Fast Open',
    program: `${synWithData('c.syn(E)')}; c.segment(0,ACK); c.send(0,E)`,
  },
  {
    name: 'with the SYN, by Fast Open',
    program: `${synWithData('c.syn(E,options=bytes([34,2,1,1]))')}; c.segment(0,ACK); c.send(0,E)`,
    port: FAST,
  },
  { name: "with the handshake's last ACK", program: 'c=Connection(); c.syn(); c.send(0,E)' },
  {
    name: "with the handshake's last ACK, in two",
    program: 'c=Connection(); c.syn(); c.send(0,E[:8]); c.send(8,E[8:]); c.send(0,E[:8]); c.send(8,E[8:])',
  },
  {
    name: "behind a copy on the handshake's last ACK with a bad checksum",
    program: 'c=Connection(); c.syn(); c.send(0,G,spoil=True); c.send(0,E)',
  },
  { name: 'to a deferred listener', program: 'c=Connection().open(); c.send(0,E)', port: DEFERRED },
  {
    name: 'as chunks, behind a body whose end came first',
    program: `c=Connection().open(); P=b'POST /good HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 8\\r\\n\\r\\n'; n=len(P)
c.send(0,P); c.send(n+4,b'body'); c.send(n,b'some'); c.send(n+8,b'4\\r\\nevil\\r\\n')`,
  },
  { name: 'over IPv6', program: 'Connection().open().send(0,E)', six: true },
  ...[0, 1, 2].map((what): Attack => ({
    name: `over IPv6 with ${['an atomic fragment', 'two options headers', 'seven options headers'][what] ?? ''}, on the last ACK`,
    program: `c=Connection(); c.syn(); c.send(0,E,${
      what === 0
        ? 'headers=bytes([6,0,0,0,0,0,0,1]),first=44'
        : `headers=${destinationOptions(what === 1 ? 2 : 7)},first=60`
    })`,
    six: true,
  })),
];

describe('a request that policy refuses', () => {
  let node: NodeScene;
  let server: LabHost;
  let open: LabHost;
  let attacker: LabHost;

  const macOf = (host: LabHost): string =>
    /link\/ether (\S+)/.exec(node.lab.run(host, ['ip', 'link', 'show', 'eth0']).stdout)?.[1] ?? '';
  const run = (to: LabHost, port: number, program: string, six = false): void => {
    const addresses = six ? [OWN6, to.address6] : [OWN4, to.address4];
    const command = ['python3', '-c', rawTcp, 'eth0', macOf(to), ...addresses, String(port), program];
    const { stdout, stderr } = node.lab.run(attacker, command);
    assert.equal(stdout.trim(), 'done', stderr);
  };
  const logOf = (host: LabHost): string => join(node.run, `${host.name}.log`);
  const lines = (host: LabHost): string[] => readFileSync(logOf(host), 'utf8').split('\n').slice(0, -1);
  /** What a server reads while an attack runs: each connection's bytes in one piece, and its end. */
  const readOf = (host: LabHost, ...attack: [port: number, program: string, six?: boolean]): string[] => {
    const from = lines(host).length;
    run(host, ...attack);
    const read = new Map<string, string>();
    for (const line of lines(host).slice(from)) {
      const [number = '', , said = ''] = line.split(' ');
      const text = /^([0-9a-f]{2})+$/.test(said) ? Buffer.from(said, 'hex').toString('latin1') : `|${said}`;
      read.set(number, (read.get(number) ?? '') + text);
    }
    return [...read.values()];
  };

  before(async () => {
    node = new NodeScene('stream', { inline: 'auto' });
    server = node.lab.host('server');
    open = node.lab.host('open');
    attacker = node.lab.host('attacker');
    node.write('workloads.yaml', workloadsYaml(server));
    node.write('policy.yaml', policyYaml);
    await node.startAgent();
    const ports = [RULED, TOKEN, `${String(DEFERRED)}:9`, `${String(FAST)}:23`].map(String);
    for (const host of [server, open]) {
      for (const own of [OWN4, OWN6])
        execFileSync('ip', ['-n', host.netns, 'neigh', 'add', own, 'lladdr', macOf(attacker), 'dev', 'eth0']);
      node.lab.run(host, ['sysctl', '-qw', 'net.ipv4.tcp_fastopen=519']); // without cookies
      node.startIn(host, ['python3', '-c', listeningServer, logOf(host), ...ports]);
      await listening(node.lab, host, FAST);
    }
  });
  after(() => node.destroy());

  test('an allowed one gets through, in whatever order it comes', () => {
    for (const program of [
      'Connection().open().send(0,G)',
      'c=Connection().open(); c.send(7,G[7:]); c.send(0,G[:7]); c.send(7,G[7:])',
      'c=Connection().open(); c.send(0,G[:9]); c.send(0,G); c.send(0,G)',
      'c=Connection(); c.syn(); c.send(0,G)',
    ])
      assert.deepEqual(readOf(server, RULED, program), ['GET /good HTTP/1.1\r\nHost: a\r\n\r\n'], program);
  });

  for (const { name, program, port = RULED, six = false } of attacks) {
    test(`never reaches the server: ${name}`, () => {
      assert.match(readOf(open, port, program, six).join(), /evil/, 'it works where no policy is');
      assert.doesNotMatch(readOf(server, port, program, six).join(), /evil/);
    });
  }

  const part = "H=b'GET /good HTTP/1.1\\r\\nHost: a\\r\\n'; n=len(H); c=Connection().open()";
  for (const [name, program] of [
    ['behind it', `${part}; c.send(0,H); c.send(n,b'',flags=FIN|ACK)`],
    ['with it', `${part}; c.send(0,H,flags=FIN|ACK)`],
    ['before it', `${part}; c.send(n,b'',flags=FIN|ACK); c.send(0,H)`],
    ['with its last byte again', `${part}; c.send(0,H); c.send(n-1,H[-1:],flags=FIN|ACK)`],
    ['with its last bytes, out of order', `${part}; c.send(9,H[9:],flags=FIN|ACK); c.send(0,H[:9])`],
  ] as const) {
    test(`a head that is cut off is not shown to end, by a FIN ${name}`, () => {
      assert.match(readOf(open, TOKEN, program).join(), /\r\n\|end/, 'it works where no policy is');
      assert.doesNotMatch(readOf(server, TOKEN, program).join(), /\|end/);
    });
  }
});
