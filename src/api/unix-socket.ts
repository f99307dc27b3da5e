// SPDX-License-Identifier: Apache-2.0
import { chmod, chown, mkdtemp, rename, rm, stat, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { PerigeeError } from '../lib/errors.ts';

/** Whether somebody listens there. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const settle = (isAnswered: boolean): void => {
      socket.destroy();
      resolve(isAnswered);
    };
    socket.once('connect', () => settle(true));
    socket.once('error', () => settle(false));
  });
}

export interface SocketFile {
  readonly path: string;
  /** Removes the file, unless another process has put its own there. */
  remove(): Promise<void>;
}

/**
 * Makes a listening unix socket appear at `path` with its final permissions: it is bound in a folder that only
 * its owner may enter and then renamed, so there is no moment at which others could connect, and a socket left
 * by a killed process is replaced. `listen` gets the path to bind.
 */
export async function publishSocket(
  path: string,
  groupId: number | undefined,
  listen: (path: string) => Promise<void>,
): Promise<SocketFile> {
  if (await answers(path)) {
    throw new PerigeeError('ERR_SOCKET_IN_USE', 'another agent serves this socket', {
      object: path,
      hint: 'Stop it first, or give this one another socket with --socket',
    });
  }
  const folder = await mkdtemp(join(dirname(path), '.s')).catch((cause: unknown) => {
    throw new PerigeeError(
      'ERR_SOCKET_FOLDER',
      'cannot create the socket: its folder is missing or not writable',
      {
        object: path,
        hint: `Create ${dirname(path)}, or give another socket with --socket`,
        cause,
      },
    );
  });
  const bound = join(folder, 's');
  try {
    await listen(bound);
    await chmod(bound, groupId === undefined ? 0o600 : 0o660);
    if (groupId !== undefined) await chown(bound, -1, groupId);
    await rename(bound, path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const { ino } = await stat(path);
  return {
    path,
    remove: async () => {
      const now = await stat(path).catch(() => undefined);
      if (now?.ino === ino) await unlink(path).catch(() => undefined);
    },
  };
}
