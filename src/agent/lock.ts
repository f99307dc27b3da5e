// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { type Server, connect, createServer } from 'node:net';
import { PerigeeError } from '../lib/errors.ts';

export interface Lock {
  release(): void;
}

/** Only root may write here, so nobody else can keep an agent from starting. */
const FOLDER = '/run';

/**
 * Holds a name: two agents on one datapath, or on one cgroup, would undo each other's work. A socket that
 * nobody listens on was left by a process that died, and is taken over.
 */
export async function takeLock(kind: 'pins' | 'cgroup', name: string): Promise<Lock> {
  const digest = createHash('sha256').update(name).digest('hex').slice(0, 16);
  const path = `${FOLDER}/perigee-agent-${kind}-${digest}.lock`;
  const server = await listen(path).catch(async (cause: unknown) => {
    if (!(await isAbandoned(path))) throw held(kind, name, cause);
    rmSync(path, { force: true });
    return listen(path).catch((again: unknown) => {
      throw held(kind, name, again);
    });
  });
  return {
    release: () => {
      server.close();
    },
  };
}

function held(kind: string, name: string, cause: unknown): PerigeeError {
  const what = kind === 'pins' ? `pins in ${name}` : `cgroup ${name}`;
  return new PerigeeError('ERR_AGENT_RUNNING', `another agent governs this host already (${what})`, {
    object: name,
    hint: 'stop it first (`systemctl stop perigee-agent`); a second one needs its own --pin-root and --cgroup',
    cause,
  });
}

function listen(path: string): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ path }, () => {
      server.unref();
      resolve(server);
    });
  });
}

function isAbandoned(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect({ path });
    probe.once('connect', () => {
      probe.destroy();
      resolve(false);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
  });
}
