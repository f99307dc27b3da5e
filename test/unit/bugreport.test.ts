// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { type ExecException, execFile, execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { redactPath, redactResources, redactText } from '../../src/cli/bugreport/redact.ts';
import { verdict } from '../../src/core/abi/policy.ts';
import { type FakeAgent, startFakeAgent, status } from '../support/fake-agent.ts';
import { batch, record } from '../support/flow-records.ts';

const perigee = join(import.meta.dirname, '../../bin/perigee');
/** In every disguise that the test plants. */
const SECRET = 'hunter2hunter2hunter2';

const planted: readonly string[] = [
  `Authorization: Bearer ${SECRET}`,
  `{"authorization":"Basic ${SECRET}"}`,
  `cookie: session=${SECRET}; theme=dark`,
  `password: ${SECRET}`,
  `"api_key": "${SECRET}"`,
  `DB_PASSWORD='${SECRET}'`,
  `token=${SECRET}&x=1`,
  `postgres://user:${SECRET}@db/x`,
  `eyJhbGciOiJIUzI1NiJ9.eyJ${SECRET}.${SECRET}`,
  `-----BEGIN EC PRIVATE KEY-----\n${SECRET}\n-----END EC PRIVATE KEY-----`,
  `bearer ${SECRET}`,
];

test('what looks like a secret is taken out of any text, and nothing else is', () => {
  for (const text of planted) assert.ok(!redactText(`a ${text}\nb`).includes(SECRET), redactText(text));
  for (const text of [
    'shop/web → shop/api http-denied',
    'tokens: 3',
    'secretName: db',
    'path: /orders',
    'passed',
  ])
    assert.equal(redactText(text), text);
});

test('long elements of paths are taken out, hosts stay', () => {
  assert.equal(
    redactPath(`http://api.shop.example.org/reset/${SECRET}/x`),
    'http://api.shop.example.org/reset/…/x',
  );
  assert.equal(redactPath('GET /orders/7'), 'GET /orders/7');
});

test('resources keep their comments and lose the header values that they match', () => {
  const text = `# who may\nkind: AccessPolicy\nspec:\n  ingress:\n  - name: r\n    http:\n    - headers: [{name: x-key, type: Exact, value: ${SECRET}}] # why\n---\nkind: Workload\n`;
  const cleaned = redactResources(text);
  assert.ok(!cleaned.includes(SECRET));
  for (const part of ['# who may', '# why', 'x-key', 'REDACTED', 'kind: Workload'])
    assert.ok(cleaned.includes(part), part);
  assert.throws(() => redactResources('{'));
});

suite('perigee bugreport', () => {
  let agent: FakeAgent;
  let folder: string;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'perigee-report-test-'));
    const directory = join(folder, 'config');
    mkdirSync(join(directory, 'sub'), { recursive: true });
    writeFileSync(join(directory, 'sub/a.yaml'), `kind: AccessPolicy\npassword: ${SECRET}\n`);
    writeFileSync(join(directory, 'bad.yaml'), '{');
    const pinRoot = join(folder, 'pins');
    mkdirSync(join(pinRoot, '1'), { recursive: true });
    writeFileSync(join(pinRoot, '1/policy'), '');
    const config = { ...status.config, directory };
    agent = await startFakeAgent({ status: { status: () => ({ ...status, config, pinRoot }) } });
    const { bytes, offsets } = batch([
      record({ method: 'GET', urlPath: `/reset/${SECRET}`, host: 'h' }),
      record({ method: 'GET', urlPath: '/\x1b[31m', verdict: verdict.denied }),
    ]);
    agent.store.append(bytes, offsets);
  });
  after(async () => {
    await agent.close();
    rmSync(folder, { recursive: true });
  });

  const run = (...args: readonly string[]): Promise<{ code: number; out: string; err: string }> =>
    new Promise((resolve) => {
      execFile(perigee, ['bugreport', ...args], (error: ExecException | null, out, err) =>
        resolve({ code: error === null ? 0 : Number(error.code), out, err }),
      );
    });
  const unpacked = (file: string): string => {
    const target = mkdtempSync(join(folder, 'out-'));
    execFileSync('tar', ['-xzf', file, '-C', target]);
    return join(target, readdirSync(target)[0] ?? '');
  };

  test('one archive for its owner alone, with what there is and a list of what there is not', async () => {
    const file = join(folder, 'a.tar.gz');
    const { code, out, err } = await run(
      '--file',
      file,
      '--socket',
      agent.socketPath,
      '--metrics',
      '127.0.0.1:1',
    );
    assert.equal(code, 0, err);
    assert.ok(out.startsWith(`${file}\n`));
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const place = unpacked(file);
    const names = readdirSync(place, { recursive: true }).map(String);
    for (const name of [
      'system.txt',
      'status.json',
      'check.json',
      'flows.jsonl',
      'denials.jsonl',
      'resources/sub/a.yaml',
      'maps/pins.txt',
    ])
      assert.ok(names.includes(name), name);
    const missing = readFileSync(join(place, 'missing.txt'), 'utf8');
    assert.match(missing, /^metrics\.txt: /m);
    assert.match(missing, /^resources\/bad\.yaml: /m);
    assert.equal(err.split('\n').length, missing.split('\n').length);
    for (const name of names) {
      const path = join(place, name);
      if (!statSync(path).isFile()) continue;
      const text = readFileSync(path, 'utf8');
      assert.ok(!text.includes(SECRET), name);
      assert.ok(!text.includes('\x1b'), name);
    }
    assert.ok(readFileSync(join(place, 'flows.jsonl'), 'utf8').includes('/reset/…'));
    assert.equal(readFileSync(join(place, 'denials.jsonl'), 'utf8').trimEnd().split('\n').length, 1);
    const again = await run('--file', file, '--socket', agent.socketPath);
    assert.equal(again.code, 2);
    assert.match(again.err, /not overwritten/);
  });

  test('without an agent it holds what can be had, and says so', async () => {
    const file = join(folder, 'b.tar.gz');
    const { code, err } = await run(
      '--file',
      file,
      '--socket',
      join(folder, 'none.sock'),
      '--metrics',
      '127.0.0.1:1',
    );
    assert.equal(code, 0, err);
    assert.match(err, /missing: status\.json: the agent is not running/);
    assert.ok(existsSync(join(unpacked(file), 'system.txt')));
  });
});
