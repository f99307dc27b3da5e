// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Native } from '../datapath/native.ts';
import { PerigeeError } from '../lib/errors.ts';

export interface Lock {
  release(): void;
}

/** Only root may write here, so nobody else can keep an agent from starting. The systemd units make it, too. */
const FOLDER = '/run/perigee';

/**
 * Holds a name: two agents on one datapath, or on one cgroup, would undo each other's work. The kernel lets go of it
 * when the process ends, however it ends, so nothing that was left behind has to be judged.
 */
export function takeLock(native: Pick<Native, 'lockFile'>, kind: 'pins' | 'cgroup', name: string): Lock {
  mkdirSync(FOLDER, { recursive: true, mode: 0o755 });
  const digest = createHash('sha256').update(name).digest('hex').slice(0, 16);
  const path = join(FOLDER, `agent-${kind}-${digest}.lock`);
  const fd = native.lockFile(path);
  if (fd === undefined) throw held(kind, name);
  return {
    release: () => {
      // While it is held: who opened it meanwhile finds another file of this name, or none, and begins again.
      rmSync(path, { force: true });
      closeSync(fd);
    },
  };
}

function held(kind: string, name: string): PerigeeError {
  const what = kind === 'pins' ? `pins in ${name}` : `cgroup ${name}`;
  return new PerigeeError('ERR_AGENT_RUNNING', `another agent governs this host already (${what})`, {
    object: name,
    hint: 'stop it first (`systemctl stop perigee-agent`); a second one needs its own --pin-root and --cgroup',
  });
}
