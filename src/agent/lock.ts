// SPDX-License-Identifier: Apache-2.0
import { type Server, createServer } from 'node:net';
import { PerigeeError } from '../lib/errors.ts';

/**
 * Holds a name that the kernel frees when the process ends, however it ends: two agents on one datapath would
 * undo each other's work. An abstract unix socket leaves nothing on disk.
 */
export async function takeLock(pinRoot: string): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      reject(
        new PerigeeError(
          'ERR_AGENT_RUNNING',
          `another agent governs this host already (pins in ${pinRoot})`,
          {
            object: pinRoot,
            hint: 'stop it first (`systemctl stop perigee-agent`), or give this one another --pin-root',
            cause,
          },
        ),
      );
    });
    server.listen({ path: `\0perigee-agent:${pinRoot}` }, resolve);
  });
  server.unref();
  return server;
}
