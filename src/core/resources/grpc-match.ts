// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';
import type { HttpMatch } from '../automaton/rules.ts';
import { GRPC_CONTENT_TYPE } from '../http/grpc.ts';
import { type Finding, findings } from './check.ts';
import { checkHttpFields, plainHeader } from './http-match.ts';

const SERVICE = /^[A-Za-z_][A-Za-z0-9_]*([.][A-Za-z_][A-Za-z0-9_]*)*$/;
const METHOD = /^[A-Za-z_][A-Za-z0-9_]*$/;

export const grpcMatchSchema = z
  .strictObject({
    service: z
      .string()
      .regex(SERVICE, 'must be the full name of a service, as in `shop.v1.Payments`')
      .max(253, 'must be at most 253 characters long')
      .exactOptional()
      .describe('Full name of the service, with its package. Default: every service.'),
    methods: z
      .array(z.string().regex(METHOD, 'must be the name of a method').max(128))
      .min(1, 'must not be empty')
      .max(32)
      .exactOptional()
      .describe('Any of these methods. Default: every method.'),
    headers: z
      .array(plainHeader)
      .min(1, 'must not be empty')
      .max(16)
      .exactOptional()
      .describe('Headers (metadata) that must all match. Default: none.'),
  })
  .check(findings(checkFields));

export type GrpcFields = z.infer<typeof grpcMatchSchema>;

function* checkFields({ headers }: GrpcFields): Generator<Finding> {
  if (headers === undefined) return;
  for (const [index, { name }] of headers.entries()) {
    if (name.toLowerCase() === 'content-type')
      yield { path: ['headers', index, 'name'], message: 'is what tells gRPC from other requests' };
  }
  yield* checkHttpFields({ headers });
}

/**
 * The requests that calls are: POST to `/service/method`. To allow, they must say that they are gRPC; to deny, the path
 * alone counts, so that nothing a client may leave out or spell otherwise takes it past the rule.
 */
export function grpcAsHttp(
  { service, methods, headers = [] }: GrpcFields,
  action: 'Allow' | 'Deny',
): HttpMatch[] {
  const isGrpc = { name: 'content-type', type: 'RegularExpression', value: GRPC_CONTENT_TYPE } as const;
  const conditions = action === 'Allow' ? [isGrpc, ...headers] : headers;
  const rest = {
    ...(action === 'Allow' ? { methods: ['POST'] } : {}),
    ...(conditions.length === 0 ? {} : { headers: conditions }),
  };
  return pathsOf(service, methods).map((path) => ({ ...rest, ...path }));
}

function pathsOf(
  service: string | undefined,
  methods: readonly string[] | undefined,
): readonly Pick<HttpMatch, 'path'>[] {
  if (service === undefined) {
    if (methods === undefined) return [{}];
    return [{ path: { type: 'RegularExpression', value: `/[^/]+/(${methods.join('|')})` } }];
  }
  if (methods === undefined) return [{ path: { type: 'PathPrefix', value: `/${service}` } }];
  return methods.map((method) => ({ path: { type: 'Exact', value: `/${service}/${method}` } }));
}
