// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { policyAction, policyKey, policyVerdict } from '../../src/core/abi/policy.ts';
import { pinLayout } from '../../src/datapath/layout.ts';
import { loadNative } from '../../src/datapath/native.ts';
import { AgentProcess } from '../support/agent-process.ts';
import { objects } from '../support/kernel-scene.ts';
import { type LabHost, until } from '../support/lab.ts';
import { NodeScene, type NodeStatus } from '../support/node-scene.ts';
import { tcpClient } from '../support/programs.ts';
import { PLAIN, RULED, serverPolicyYaml, startNginx, workloadsYaml } from '../support/web-scene.ts';

/** Entries of the policy map as shipped, and for this test: room for the first policy, not for the second. */
const SHIPPED = 1_048_576;
const SMALL = 64;

/**
 * The objects with a small policy map. Its size is the length of an array in their BTF (struct btf_header: magic,
 * version, flags, then 32-bit hdr_len, type_off, type_len), where nothing else has this value.
 */
function writeSmallObjects(folder: string): void {
  mkdirSync(folder);
  for (const file of readdirSync(objects).filter((name) => name.endsWith('.bpf.o'))) {
    const bytes = readFileSync(join(objects, file));
    const btf = bytes.indexOf(Buffer.from([0x9f, 0xeb, 1, 0]));
    const types = btf + bytes.readUInt32LE(btf + 4) + bytes.readUInt32LE(btf + 8);
    const end = types + bytes.readUInt32LE(btf + 12);
    for (let at = types; at < end; at += 4) {
      if (bytes.readUInt32LE(at) === SHIPPED) bytes.writeUInt32LE(SMALL, at);
    }
    writeFileSync(join(folder, file), bytes);
  }
}

/** Ports that one rule may name. */
const PER_RULE = 25;

/** Allows every second port of a range: as many entries, for each peer. */
const wide = (host: LabHost, ports: number): string => `apiVersion: perigee.dev/v1alpha1
kind: AccessPolicy
metadata: {name: wide, namespace: shop}
spec:
  selector: {matchLabels: {app: ${host.name}}}
  egress:
${Array.from({ length: Math.ceil(ports / PER_RULE) }, (_, rule) => fewPorts(rule, ports)).join('\n')}
`;

function fewPorts(rule: number, ports: number): string {
  const count = Math.min(PER_RULE, ports - rule * PER_RULE);
  const to = Array.from({ length: count }, (_, index) => 20_000 + 2 * (rule * PER_RULE + index));
  return `  - {name: few-${String(rule)}, action: Allow, to: [${to.map((port) => `{port: ${String(port)}}`).join()}]}`;
}

describe('the policy map is full', () => {
  let node: NodeScene;
  let agent: AgentProcess;
  let web: LabHost;
  let api: LabHost;
  let late: LabHost;

  before(async () => {
    node = new NodeScene('rs6');
    web = node.lab.host('web');
    api = node.lab.host('api');
    late = node.lab.host('late');
    await startNginx(node, api);
    const small = join(node.run, 'objects');
    writeSmallObjects(small);
    node.write('workloads.yaml', workloadsYaml(web, api));
    node.write('policy.yaml', serverPolicyYaml(api));
    const wrap = (command: readonly string[]): string[] => node.inside([...command, '--objects', small]);
    agent = new AgentProcess({ name: 'perigee-rs6', config: node.config, cgroup: node.cgroup, wrap });
    await agent.start();
  });
  after(async () => {
    await agent.cleanup();
    await node.destroy();
  });

  const seen = (from: LabHost): readonly string[] => [
    node.curl(from, `http://${api.address4}:${String(RULED)}/`).status,
    node.curl(from, `http://${api.address4}:${String(RULED)}/admin`).status,
    node.curl(from, `http://${api.address4}:${String(PLAIN)}/`).status,
    node.runIn(from, ['python3', '-c', tcpClient, api.address4, '9001']).stdout.trim(),
  ];
  const asWritten = ['200', '403', '200', 'EPERM'];
  const revision = async (): Promise<number> => {
    const { stdout } = await agent.cli(['status', '-o', 'json']);
    return (JSON.parse(stdout) as NodeStatus).config.revision;
  };

  test('the log names the map, and for everybody else the state before stays in force', async () => {
    assert.deepEqual(seen(web), asWritten);
    const before = await revision();
    node.write('workloads.yaml', workloadsYaml(web, api, late));
    node.write('wide.yaml', wide(late, 100));
    await until('the failure to be told', () =>
      agent.logs(100).includes('update map policy: No space left on device'),
    );
    assert.deepEqual(seen(web), asWritten);
    assert.equal(await revision(), before);
  });

  test('when there is room again, everything is in force', async () => {
    const before = await revision();
    rmSync(join(node.config, 'wide.yaml'));
    await until('the next revision', async () => (await revision()) > before);
    assert.deepEqual(seen(web), asWritten);
    await until('the new workload to be governed', () => seen(late).join() === asWritten.join());
  });

  test('what failed is tried again by itself, without another change of a file', async () => {
    // A new one has told nothing yet, so repeats nothing.
    await agent.end('SIGKILL');
    await agent.start();
    const before = await revision();
    const map = loadNative().BpfMap.openPinned(join(pinLayout(agent.pinRoot).maps, 'policy'));
    // Entries of a workload that does not exist take the room that is left.
    const stuff = (workload: number): boolean => {
      const fields = { prefixLength: 80, identity: 0, direction: 1, protocol: 6, port: 0 };
      const key = policyKey.encode({ ...fields, workload });
      try {
        map.update(
          key,
          policyVerdict.encode({ action: policyAction.deny, audit: 0, reason: 0, rule: 0, table: 0 }),
        );
        return true;
      } catch {
        return false;
      }
    };
    let workload = 1_000_000;
    while (stuff(workload)) workload += 1;
    map.close();
    assert.ok(workload > 1_000_000);
    const told = agent.logs(1000).split('No space left on device').length;
    node.write('wide.yaml', wide(late, 2));
    await until('the failure', () => agent.logs(1000).split('No space left on device').length > told);
    await until('the next revision', async () => (await revision()) > before);
    assert.deepEqual(seen(web), asWritten);
    assert.equal(seen(late)[2], '000');
    const { stdout } = await agent.cli(['status', '-o', 'json']);
    assert.doesNotMatch(stdout, /ReconcileFailed/);
  });
});
