// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hostAddress, kubeconfig } from './cluster.ts';

/** A kubeconfig like the administrator's with something else in it. */
export class Access implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'perigee-access-'));
  readonly path = join(this.#folder, 'kubeconfig');

  constructor({ server, token }: { readonly server?: string; readonly token?: string }) {
    let text = readFileSync(kubeconfig, 'utf8');
    if (server !== undefined) text = text.replace(/server: "[^"]*"/, `server: "${server}"`);
    if (token !== undefined) text = text.replace(/token: [^}]*/, `token: ${token}`);
    writeFileSync(this.path, text, { mode: 0o600 });
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true });
  }
}

/** A way to the API server that can be closed while it goes on for everybody else. */
export class Gate {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isOpen = true;

  private constructor() {
    this.#server = createServer((client) => this.#take(client));
  }

  static async create(): Promise<Gate> {
    const gate = new Gate();
    await new Promise<void>((resolve) => gate.#server.listen(0, '127.0.0.1', resolve));
    return gate;
  }

  get url(): string {
    const address = this.#server.address();
    return `https://127.0.0.1:${String(typeof address === 'object' ? address?.port : '')}`;
  }

  /** Cuts every connection and takes no more. */
  close(): void {
    this.#isOpen = false;
    this.cut();
  }

  open(): void {
    this.#isOpen = true;
  }

  /** Cuts every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async end(): Promise<void> {
    this.close();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #take(client: Socket): void {
    if (!this.#isOpen) {
      client.destroy();
      return;
    }
    const upstream = connectTcp(6443, hostAddress);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.once('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  }
}

/** A role that may read what an agent reads, all but these. */
export function readerRole(name: string, ...missing: readonly string[]): object {
  const verbs = ['get', 'list', 'watch'];
  const groups = {
    '': ['pods', 'namespaces', 'nodes', 'services'],
    'discovery.k8s.io': ['endpointslices'],
    'networking.k8s.io': ['networkpolicies'],
    'perigee.dev': ['accesspolicies', 'clusteraccesspolicies'],
  };
  const rules = Object.entries(groups).map(([group, resources]) => {
    return { apiGroups: [group], resources: resources.filter((one) => !missing.includes(one)), verbs };
  });
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name },
    rules: rules.filter(({ resources }) => resources.length > 0),
  };
}
