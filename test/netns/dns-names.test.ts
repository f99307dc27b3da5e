// SPDX-License-Identifier: Apache-2.0
// Flows name addresses as their workloads were told by DNS: a real server, unmodified clients, and answers that lie.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { encode, type Packet } from 'dns-packet';
import { askUnconnected, resolvingBy, startDnsmasq } from '../support/dns-scene.ts';
import { type LabHost, until } from '../support/lab.ts';
import { NodeScene } from '../support/node-scene.ts';
import { PLAIN, startNginx, workloadsYaml } from '../support/web-scene.ts';

const hubble = join(import.meta.dirname, '../../build/test-go/hubble');

interface Shown {
  readonly destination: { readonly dnsNames?: readonly string[]; readonly address: string };
  readonly source: { readonly workload?: string };
}

const query = (name: string, id = 7, type: 'A' | 'AAAA' = 'A'): Uint8Array =>
  encode({ type: 'query', id, flags: 0x100, questions: [{ type, name }] });

const answer = (name: string, address: string, more: Partial<Packet> = {}): Buffer =>
  encode({
    type: 'response',
    id: 7,
    questions: [{ type: 'A', name }],
    answers: [{ type: 'A', name, ttl: 60, data: address }],
    ...more,
  });

describe('names of addresses', () => {
  let node: NodeScene;
  let api: LabHost;
  let web: LabHost;
  let other: LabHost;
  let resolver: LabHost;
  let liar: LabHost;

  before(async () => {
    node = new NodeScene('dnsn', { inline: 'auto' });
    [api, web, other, resolver, liar] = ['api', 'web', 'other', 'resolver', 'liar'].map((name) =>
      node.lab.host(name),
    ) as [LabHost, LabHost, LabHost, LabHost, LabHost];
    await startNginx(node, api);
    await startDnsmasq(node, resolver, [
      `--host-record=api.shop.test,${api.address4},${api.address6}`,
      '--cname=www.shop.test,api.shop.test',
    ]);
    node.write('workloads.yaml', workloadsYaml(web, other));
    await node.startAgent('--dns-names', 'on');
    await node.settled();
  });
  after(() => node.destroy());

  const shown = (...filter: string[]): Shown[] => node.flows('--last', '50', ...filter) as Shown[];
  const connect = (from: LabHost, address: string): void => {
    const host = address.includes(':') ? `[${address}]` : address;
    assert.equal(node.curl(from, `http://${host}:${String(PLAIN)}/`).status, '200');
  };
  const closes = async (from: LabHost, address: string): Promise<Shown> => {
    const filter = ['--from', `shop/${from.name}`, '--to', address, '--kind', 'close'];
    const before = shown(...filter).length;
    connect(from, address);
    await until('the connection to be told of', () => shown(...filter).length > before);
    const [last] = shown(...filter).slice(-1);
    assert.ok(last);
    return last;
  };
  /** Answers whatever comes with one message, byte for byte. */
  const answering = (host: LabHost, port: number, message: Uint8Array): void => {
    const script = `import socket,sys
s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)
s.bind(('0.0.0.0',${String(port)}))
m=bytes.fromhex(sys.argv[1])
while True:
  d,a=s.recvfrom(4096)
  s.sendto(m,a)`;
    node.lab.start(host, ['python3', '-c', script, Buffer.from(message).toString('hex')]);
  };

  test('of both families, by glibc, through an alias', async () => {
    const found = node.runIn(
      web,
      resolvingBy(node, resolver.address4, ['getent', 'ahosts', 'www.shop.test']),
    );
    assert.match(found.stdout, new RegExp(api.address4), found.stderr);
    assert.deepEqual((await closes(web, api.address4)).destination.dnsNames, ['www.shop.test']);
    assert.deepEqual((await closes(web, api.address6)).destination.dnsNames, ['www.shop.test']);
  });

  test('by curl, over IPv6, and the newest name comes first', async () => {
    const url = `http://API.shop.test:${String(PLAIN)}/`;
    const asked = resolvingBy(node, resolver.address6, [
      'curl',
      '-sS',
      '-4',
      '-m',
      '5',
      '-o',
      '/dev/null',
      url,
    ]);
    assert.equal(node.runIn(web, asked).status, 0);
    assert.deepEqual((await closes(web, api.address4)).destination.dnsNames, [
      'api.shop.test',
      'www.shop.test',
    ]);
  });

  test('by Node.js, and from a socket without a peer, of both families', async () => {
    const script = `const r=new (require('dns').Resolver)();r.setServers(['${resolver.address4}']);r.resolve4('www.shop.test',(e,a)=>console.log(e??a))`;
    assert.match(node.runIn(other, ['node', '-e', script]).stdout, new RegExp(api.address4));
    assert.deepEqual((await closes(other, api.address4)).destination.dnsNames, ['www.shop.test']);
    const { status } = askUnconnected(node, other, resolver.address6, query('api.shop.test', 9));
    assert.equal(status, 0);
    assert.deepEqual((await closes(other, api.address4)).destination.dnsNames, [
      'api.shop.test',
      'www.shop.test',
    ]);
  });

  test("Hubble's client finds and prints them", async () => {
    const observe = (...args: string[]): string => {
      // By itself it doesn't ask for names.
      const flags = [
        '--use-default-field-masks=false',
        '--color',
        'never',
        '--server',
        `unix://${node.socket}`,
      ];
      return execFileSync(hubble, ['observe', '--last', '50', ...args, ...flags], { encoding: 'utf8' });
    };
    await closes(web, api.address4);
    assert.match(
      observe('--to-fqdn', 'api.*.test', '--from-pod', 'shop/web'),
      /-> api\.shop\.test,www\.shop\.test:9000/,
    );
    assert.match(observe('--fqdn', 'API.shop.test.'), /api\.shop\.test/);
    assert.equal(observe('--from-fqdn', 'api.shop.test'), '');
    assert.equal(observe('--to-fqdn', 'shop.test'), '');
    assert.equal(shown('--to-fqdn', '*.shop.test', '--last', '3').length, 3);
    assert.equal(shown('--not', '--to-fqdn', '*.shop.test', '--to', api.address4).length, 0);
  });

  test('only to those who asked', async () => {
    node.runIn(web, resolvingBy(node, resolver.address4, ['getent', 'hosts', 'api.shop.test']));
    const third = node.lab.host('third');
    node.write('workloads.yaml', workloadsYaml(web, other, third));
    await node.settled();
    assert.equal((await closes(third, api.address4)).destination.dnsNames, undefined);
  });

  test('no name by what was not asked for, by another, or by no answer at all', async () => {
    const lie = answer('bank.test', api.address6, {
      answers: [{ type: 'A', name: 'bank.test', data: liar.address4 }],
    });
    // From another address than the one that was asked: the program reads it, as many do that don't look.
    const script = `import socket,sys
s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.bind(('0.0.0.0',4000)); s.settimeout(3)
s.sendto(b'x'*12,('${resolver.address4}',53))
print(s.recvfrom(4096)[1][0])`;
    const victim = node.startIn(other, ['python3', '-c', script]);
    const sender = `import socket,sys,time
s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.bind(('0.0.0.0',53))
for i in range(20):
  s.sendto(bytes.fromhex(sys.argv[1]),('${other.address4}',4000)); time.sleep(0.05)`;
    node.lab.run(liar, ['python3', '-c', sender, lie.toString('hex')]);
    victim.kill();
    // A query in the place of an answer, and an answer from another port.
    answering(liar, 53, query('bank.test'));
    await until('the liar to listen', () => node.lab.run(liar, ['ss', '-lunH', 'sport = :53']).stdout !== '');
    askUnconnected(node, other, liar.address4, query('bank.test'));
    await startNginx(node, liar);
    assert.equal((await closes(other, liar.address4)).destination.dnsNames, undefined);
  });
});
