// SPDX-License-Identifier: Apache-2.0
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { adminService } from './admin-service.ts';
import { adminDefinition, healthDefinition, observerDefinition, peerDefinition } from './definitions.ts';
import { healthService } from './health-service.ts';
import { observerService } from './observer-service.ts';
import { peerService } from './peer-service.ts';
import type { ApiOptions, ApiServer } from './ports.ts';
import { publishSocket } from './unix-socket.ts';

/** Unary calls that still run when the server closes get this long. */
const CLOSE_MS = 250;

function bind(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
}

function shutdown(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const force = setTimeout(() => {
      server.forceShutdown();
      resolve();
    }, CLOSE_MS);
    server.tryShutdown(() => {
      clearTimeout(force);
      resolve();
    });
  });
}

/** Serves flows, health and administration on a unix socket. */
export async function startApi(options: ApiOptions): Promise<ApiServer> {
  const closing = new AbortController();
  const server = new Server();
  server.addService(observerDefinition(), observerService(options, closing.signal));
  server.addService(peerDefinition(), peerService(options, closing.signal));
  server.addService(adminDefinition(), adminService(options));
  server.addService(healthDefinition(), healthService(options.status, closing.signal));
  const socket = await publishSocket(options.socketPath, options.groupId, (path) => bind(server, path));
  return {
    socketPath: options.socketPath,
    close: async () => {
      closing.abort();
      await socket.remove();
      await shutdown(server);
    },
  };
}
