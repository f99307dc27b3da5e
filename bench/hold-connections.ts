// SPDX-License-Identifier: Apache-2.0
// Opens connections, has a request answered on each, and keeps them open until it is ended.
// usage: hold-connections.ts HOST PORT COUNT; prints "open COUNT" when all are
import { connect, type Socket } from 'node:net';

const [, , host = '', port = '', wanted = '1'] = process.argv;
const request = `GET / HTTP/1.1\r\nHost: ${host}:${port}\r\n\r\n`;
/** Handshakes under way at once: fewer than the backlog of the server. */
const AT_ONCE = 64;

const held: Socket[] = [];

/** Resolves with the first bytes of the answer. */
function open(): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port: Number(port), noDelay: true }, () => socket.write(request));
    socket.once('data', (bytes) => {
      if (!bytes.toString('latin1').startsWith('HTTP/1.1 200')) reject(new Error(bytes.toString('latin1')));
      held.push(socket);
      resolve();
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed')));
  });
}

process.once('SIGTERM', () => process.exit());
while (held.length < Number(wanted)) {
  const missing = Number(wanted) - held.length;
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, missing) }, open));
}
console.log(`open ${String(held.length)}`);
