// SPDX-License-Identifier: Apache-2.0
import { setTimeout } from 'node:timers/promises';
import {
  type sendUnaryData,
  type ServerUnaryCall,
  type ServerWritableStream,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { StatusSource } from './ports.ts';

/** The fourth is how Hubble's own clients ask for the observer. */
const services = new Set([
  '',
  'observer.Observer',
  'peer.Peer',
  'hubble.server.Observer',
  'perigee.admin.v1.Admin',
]);
const WATCH_INTERVAL_MS = 500;

interface HealthRequest {
  readonly service: string;
}

interface HealthResponse {
  readonly status: 'SERVING' | 'NOT_SERVING' | 'SERVICE_UNKNOWN';
}

/** gRPC's health protocol: serving once the agent is ready. */
export function healthService(source: StatusSource, closing: AbortSignal): UntypedServiceImplementation {
  const current = (): HealthResponse => ({ status: source.status().ready ? 'SERVING' : 'NOT_SERVING' });
  const watch = async (call: ServerWritableStream<HealthRequest, HealthResponse>): Promise<void> => {
    const gone = new AbortController();
    call.on('cancelled', () => gone.abort());
    const signal = AbortSignal.any([gone.signal, closing]);
    const isKnown = services.has(call.request.service);
    for (let last = ''; !signal.aborted;) {
      const next: HealthResponse = isKnown ? current() : { status: 'SERVICE_UNKNOWN' };
      if (next.status !== last) call.write(next);
      last = next.status;
      await setTimeout(WATCH_INTERVAL_MS, undefined, { signal }).catch(() => undefined);
    }
    call.end();
  };
  return {
    Check: (
      call: ServerUnaryCall<HealthRequest, HealthResponse>,
      callback: sendUnaryData<HealthResponse>,
    ): void => {
      if (services.has(call.request.service)) callback(null, current());
      else callback({ code: status.NOT_FOUND, details: 'unknown service' });
    },
    Watch: (call: ServerWritableStream<HealthRequest, HealthResponse>): void => void watch(call),
  };
}
