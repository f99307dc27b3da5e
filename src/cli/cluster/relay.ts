// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Kube, PodObject } from './kube.ts';

/** What the other end runs: it joins its own streams with the agent's socket. */
const REMOTE = ['perigee', 'relay'] as const;

/** A socket here that leads to the agent in a pod, through the API server. Nobody but its owner can enter its folder. */
export class Relay {
  readonly path: string;
  /** What the other end said when it ended. */
  problem = '';
  readonly #folder: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(kube: Kube, pod: PodObject) {
    this.#folder = mkdtempSync(join(tmpdir(), 'perigee-'));
    this.path = join(this.#folder, 'agent.sock');
    this.#server = createServer((socket) => void this.#join(kube, pod, socket));
  }

  static async open(kube: Kube, pod: PodObject): Promise<Relay> {
    const relay = new Relay(kube, pod);
    await new Promise<void>((resolve, reject) => {
      relay.#server.once('error', reject).listen(relay.path, resolve);
    });
    return relay;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #join(kube: Kube, pod: PodObject, socket: Socket): Promise<void> {
    this.#sockets.add(socket);
    const ended = (problem: string): void => {
      this.problem ||= problem;
      socket.destroy();
    };
    socket.on('error', () => socket.destroy());
    try {
      // Nothing is read from the socket before the other end is there.
      const connection = await kube.exec(pod, REMOTE, socket, socket, ended);
      socket.once('close', () => {
        this.#sockets.delete(socket);
        connection.close();
      });
      if (socket.destroyed) connection.close();
    } catch (error) {
      ended(error instanceof Error ? error.message : 'the API server refused the connection to the pod');
    }
  }
}
