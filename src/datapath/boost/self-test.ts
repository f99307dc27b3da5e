// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events';
import { type AddressInfo, type Socket, connect, createServer } from 'node:net';
import { PerigeeError } from '../../lib/errors.ts';
import type { BpfMap, BpfObject, Native } from '../native.ts';

const ZERO = new Uint8Array(4);
const PATIENCE_MS = 5000;
const MESSAGE = 8192;

/** What the program of the trial found at the socket that sent last; and the two ends' cookies. */
interface Trial {
  readonly waiting: number;
  readonly drained: boolean;
}

/**
 * Whether this kernel does what boost leans on: tried on a connection of the agent's own, never told from a version.
 * Throws with what was not as it should be.
 */
export async function tryBoost(native: Native, object: BpfObject): Promise<void> {
  using sockets = object.map('boost_trial_sockets');
  using state = object.map('boost_trial_state');
  using program = object.program('boost_trial');
  program.attachSkMsg(sockets);
  const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
  try {
    await once(server, 'listening');
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    await once(client, 'connect');
    const [peer] = await accepted;
    try {
      await converse({ native, sockets, state, client, peer });
    } finally {
      client.destroy();
      peer.destroy();
    }
  } finally {
    server.close();
    program.detachSkMsg(sockets);
  }
}

interface Conversation {
  readonly native: Native;
  readonly sockets: BpfMap;
  readonly state: BpfMap;
  readonly client: Socket;
  readonly peer: Socket;
}

async function converse({ native, sockets, state, client, peer }: Conversation): Promise<void> {
  const fds = [client, peer].map(descriptorOf);
  const cookies = Buffer.alloc(24);
  fds.forEach((fd, index) => cookies.writeBigUInt64LE(native.sockets.cookie(fd), index * 8));
  state.update(ZERO, cookies);
  fds.forEach((fd, index) => sockets.updateSocket(cookies.subarray(index * 8, index * 8 + 8), fd));
  const first = Buffer.alloc(MESSAGE, 'a');
  await write(client, first);
  await write(peer, Buffer.from('b'));
  expect((await read(client, 1)).toString() === 'b', 'a message did not arrive');
  expect(look(state).waiting >= MESSAGE, 'what waits at a socket is not counted');
  expect(!look(state).drained, 'what waits at a socket is not found');
  peer.resume();
  expect(first.equals(await read(peer, MESSAGE)), 'a message arrived with other bytes');
  await write(peer, Buffer.from('c'));
  expect((await read(client, 1)).toString() === 'c', 'a second message did not arrive');
  expect(look(state).waiting === 0 && look(state).drained, 'what was read is still counted');
  peer.pause();
  const last = Buffer.alloc(MESSAGE, 'd');
  await write(client, last);
  client.end();
  await new Promise((resolve) => setTimeout(resolve, 20)); // for the FIN, which takes TCP
  const ended = once(peer, 'end');
  peer.resume();
  expect(last.equals(await read(peer, MESSAGE)), 'bytes before the end of a connection were lost');
  await patiently(ended, 'the end of a connection did not arrive');
}

function look(state: BpfMap): Trial {
  const value = state.lookup(ZERO) ?? Buffer.alloc(24);
  return { waiting: value.readUInt32LE(16), drained: value.readUInt32LE(20) === 1 };
}

function expect(holds: boolean, otherwise: string): void {
  if (!holds) throw new PerigeeError('ERR_BOOST_TRIAL', `tried on a connection of its own: ${otherwise}`);
}

/** Node.js has no public way to the descriptor of a socket. */
function descriptorOf(socket: Socket): number {
  const { _handle: handle } = socket as unknown as { readonly _handle?: { readonly fd: number } };
  if (handle === undefined) throw new PerigeeError('ERR_BOOST_TRIAL', 'a connection of its own was gone');
  return handle.fd;
}

function write(socket: Socket, bytes: Buffer): Promise<void> {
  const written = new Promise<void>((resolve, reject) => {
    socket.write(bytes, (error) => (error instanceof Error ? reject(error) : resolve()));
  });
  return patiently(written, 'a message could not be sent');
}

/** Exactly so many bytes. */
async function read(socket: Socket, bytes: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  while (length < bytes) {
    const [part] = (await patiently(once(socket, 'data'), 'a message did not arrive')) as [Buffer];
    parts.push(part);
    length += part.length;
  }
  return Buffer.concat(parts);
}

async function patiently<T>(promise: Promise<T>, otherwise: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new PerigeeError('ERR_BOOST_TRIAL', `tried on a connection of its own: ${otherwise}`)),
      PATIENCE_MS,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
