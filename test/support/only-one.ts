// SPDX-License-Identifier: Apache-2.0
import { createServer, type Server } from 'node:net';

/**
 * Sees to it that a program with fixed names (namespaces, pins) runs once at a time on this host: a second one would take
 * the first one's away. The kernel frees the name when the process ends, however it ends.
 */
export function onlyOne(name: string): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.once('error', () => {
      reject(new Error(`another ${name} is running on this host; end it first`));
    });
    server.listen({ path: `\0only-one:${name}` }, () => resolve(server.unref()));
  });
}
