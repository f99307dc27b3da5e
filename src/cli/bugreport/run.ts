// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { AgentClient } from '../../api/client.ts';
import { PerigeeError, messageOf } from '../../lib/errors.ts';
import type { CliContext, ExitCode } from '../context.ts';
import { escapeText } from '../printers/escape.ts';
import { pieces } from './collect.ts';

export interface BugreportFlags {
  readonly file?: string;
  readonly socket: string;
  readonly metrics: string;
}

async function connect(socket: string): Promise<{ readonly client?: AgentClient; readonly failure: string }> {
  try {
    const client = await AgentClient.connect(socket);
    await client.status();
    return { client, failure: '' };
  } catch (error) {
    return { failure: messageOf(error) };
  }
}

/** Packs the folder; nobody but its owner reads the archive. */
async function pack(folder: string, name: string, file: string): Promise<void> {
  try {
    await writeFile(file, '', { mode: 0o600, flag: 'wx' });
    await chmod(file, 0o600);
    await promisify(execFile)('tar', ['-czf', file, '-C', folder, name]);
  } catch (cause) {
    throw new PerigeeError('ERR_BUGREPORT_FILE', `the archive can't be written: ${messageOf(cause)}`, {
      object: file,
      hint: 'Name another file with --file; one that is there is not overwritten',
      cause,
    });
  }
}

/** One archive with all that is worth a look. What can't be had is said in it, and costs nothing else. */
export async function bugreport(
  flags: BugreportFlags,
  context: CliContext,
  version: string,
): Promise<ExitCode> {
  const stamp = new Date(context.now()).toISOString().replace(/[-:]|\..*/g, '');
  const name = `perigee-bugreport-${hostname()}-${stamp}`;
  const file = resolve(flags.file ?? `${name}.tar.gz`);
  const folder = await mkdtemp(join(tmpdir(), 'perigee-bugreport-'));
  const { client, failure } = await connect(flags.socket);
  const missing: string[] = [];
  try {
    for (const { name: piece, collect } of await pieces({
      client,
      failure,
      metrics: flags.metrics,
      version,
    })) {
      const place = join(folder, name, piece);
      try {
        const text = await collect();
        await mkdir(dirname(place), { recursive: true });
        await writeFile(place, text);
      } catch (error) {
        missing.push(`${piece}: ${messageOf(error).split('\n')[0] ?? ''}`);
      }
    }
    await writeFile(join(folder, name, 'missing.txt'), missing.map((line) => `${line}\n`).join(''));
    await pack(folder, name, file);
  } finally {
    client?.close();
    await rm(folder, { recursive: true, force: true });
  }
  for (const line of missing) context.err(`missing: ${escapeText(line)}\n`);
  context.out(
    `${file}\nWhat looks like a secret was taken out. Look at it yourself before you give it away.\n`,
  );
  return 0;
}
