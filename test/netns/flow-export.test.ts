// SPDX-License-Identifier: Apache-2.0
// A disk that is really full: a small one of its own.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FlowExport } from '../../src/agent/flow-export.ts';
import { settingsSchema } from '../../src/agent/settings.ts';
import { batch, names, record } from '../support/flow-records.ts';
import { createFlowStore } from '../support/flow-stores.ts';
import { until } from '../support/lab.ts';

test('an export to a disk that fills up counts what it can not write, leaves whole lines, and goes on after', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'perigee-full-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'perigee-full', folder]);
  try {
    writeFileSync(join(folder, 'ballast'), Buffer.alloc(64 * 1024));
    const store = createFlowStore({
      bytes: 1 << 22,
      denialBytes: 1 << 18,
      names,
      clock: { current: () => 0n },
    });
    const path = join(folder, 'flows.json');
    const settings = settingsSchema.parse({ flowExport: { file: path, maxBytes: 1 << 20 } }).flowExport;
    const said: string[] = [];
    const log = {
      warn: (_: object, text: string) => void said.push(text),
      info: (_: object, text: string) => void said.push(text),
    };
    const flowExport = new FlowExport({ settings, node: 'n', flows: store, log: log as never });
    const controller = new AbortController();
    const running = flowExport.run(controller.signal);
    const { counts } = flowExport;
    let added = 0;
    const add = (): void => {
      const { bytes, offsets } = batch(
        Array.from({ length: 50 }, (_, index) => record({ time: BigInt(added + index) })),
      );
      store.append(bytes, offsets);
      added += 50;
    };
    const settled = (): boolean => counts.written + counts.failed === added;
    while (counts.failed === 0) {
      add();
      await until('a batch to be written or lost', settled);
    }
    const before = counts.written;
    unlinkSync(join(folder, 'ballast'));
    add();
    await until('the batch after', settled);
    controller.abort();
    await running;
    assert.equal(counts.written, before + 50);
    assert.equal(said.length, 2, said.join('\n'));
    assert.match(said[1] ?? '', /exported again/);
    assert.deepEqual(readdirSync(folder), ['flows.json']);
    const lines = readFileSync(path, 'utf8').split('\n');
    assert.equal(lines.pop(), '');
    assert.equal(lines.length, counts.written);
    for (const line of lines) JSON.parse(line);
  } finally {
    execFileSync('umount', [folder]);
    rmdirSync(folder);
  }
});
