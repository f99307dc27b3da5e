// SPDX-License-Identifier: Apache-2.0

/** Names of gRPC's status codes, by their numbers. */
export const grpcStatusNames = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const;

/** Those that tell of a fault of the server, as OpenTelemetry's conventions count them. */
const serverFaults: readonly number[] = [2, 4, 12, 13, 14, 15];

export function isGrpcError(status: number, side: 'client' | 'server'): boolean {
  return side === 'client' ? status !== 0 : serverFaults.includes(status);
}

export const serverFaultNames = serverFaults.map((status) => grpcStatusNames[status]);

export const GRPC_UNKNOWN = 2;

/** Content types that servers take for gRPC, as a pattern; not gRPC-Web, which is another protocol under a similar name. */
export const GRPC_CONTENT_TYPE = '(?i:application/grpc)([+;].*)?';
const contentType = new RegExp(`^${GRPC_CONTENT_TYPE}$`);

export function isGrpcContentType(value: string): boolean {
  return contentType.test(value);
}

/** gRPC's own mapping of HTTP statuses that come in the place of a gRPC response. */
const ofHttp: Readonly<Record<number, number>> = {
  400: 13,
  401: 16,
  403: 7,
  404: 12,
  502: 14,
  503: 14,
  504: 14,
};

export function grpcStatusOf(httpStatus: number): number {
  return ofHttp[httpStatus] ?? GRPC_UNKNOWN;
}

/** Of a `grpc-status` header's value; undefined: it is none. */
export function parseGrpcStatus(text: unknown): number | undefined {
  if (typeof text !== 'string' || !/^[0-9]{1,2}$/.test(text)) return undefined;
  const status = Number(text);
  return status < grpcStatusNames.length ? status : GRPC_UNKNOWN;
}

/** Of a path `/service/method`; undefined: it names no call. */
export function grpcCallOf(path: string): { readonly service: string; readonly method: string } | undefined {
  const [, service, method] = /^\/([^/]+)\/([^/]+)$/.exec(path) ?? [];
  return service === undefined || method === undefined ? undefined : { service, method };
}
