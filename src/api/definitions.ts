// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import type { ServiceDefinition } from '@grpc/grpc-js';
import { loadSync, type Options } from '@grpc/proto-loader';

const PROTO_ROOT = join(import.meta.dirname, 'proto');

/** Hubble's messages keep their spelling: their JSON is read by others. */
const hubbleOptions: Options = {
  keepCase: true,
  longs: String,
  enums: String,
  includeDirs: [PROTO_ROOT],
};
/** Ours have the spelling of src/api/ports.ts; empty lists are there. */
const ownOptions: Options = {
  keepCase: false,
  longs: Number,
  arrays: true,
  objects: true,
  includeDirs: [PROTO_ROOT],
};

function service(file: string, name: string, options: Options): ServiceDefinition {
  const found = loadSync(file, options)[name];
  if (found === undefined || 'format' in found) throw new TypeError(`${file} has no service ${name}`);
  return found;
}

export function observerDefinition(): ServiceDefinition {
  return service('observer/observer.proto', 'observer.Observer', hubbleOptions);
}

export function peerDefinition(): ServiceDefinition {
  return service('peer/peer.proto', 'peer.Peer', hubbleOptions);
}

export function healthDefinition(): ServiceDefinition {
  return service('grpc/health/v1/health.proto', 'grpc.health.v1.Health', {
    ...hubbleOptions,
    defaults: true,
  });
}

export function adminDefinition(): ServiceDefinition {
  return service('perigee/admin/v1/admin.proto', 'perigee.admin.v1.Admin', ownOptions);
}
