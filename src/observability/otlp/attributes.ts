// SPDX-License-Identifier: Apache-2.0
import type { Attributes, HrTime } from '@opentelemetry/api';
import {
  ATTR_HTTP_REQUEST_METHOD,
  ATTR_HTTP_REQUEST_METHOD_ORIGINAL,
  ATTR_HTTP_RESPONSE_STATUS_CODE,
  ATTR_NETWORK_PROTOCOL_NAME,
  ATTR_NETWORK_PROTOCOL_VERSION,
  ATTR_NETWORK_TRANSPORT,
  ATTR_NETWORK_TYPE,
  ATTR_SERVER_ADDRESS,
  ATTR_SERVER_PORT,
  ATTR_URL_PATH,
  ATTR_URL_SCHEME,
} from '@opentelemetry/semantic-conventions';
import type { Flow, FlowRule } from '../../core/flow.ts';
import { grpcCallOf } from '../../core/http/grpc.ts';
import { urlText } from '../../core/http/url-text.ts';

/** Methods that the conventions know; all else is `_OTHER`, so that a client can't choose names of spans. */
const METHODS: ReadonlySet<string> = new Set([
  ...['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH', 'QUERY'],
]);

/** @param time ns since 1970 */
export function hrTime(time: bigint): HrTime {
  return [Number(time / 1_000_000_000n), Number(time % 1_000_000_000n)];
}

/** The name of a method, of a closed set. */
export function methodOf(method: string): string {
  return METHODS.has(method) ? method : '_OTHER';
}

/** `host`, `host:port`, `[::1]:port`: as the client wrote it, so perhaps none of these. */
function hostOf(text: string): string {
  const [, address = text] = /^(\[[^\]]*\]|[^:]*)(?::\d*)?$/.exec(text) ?? [];
  return address.replace(/^\[|\]$/g, '');
}

function ruleText({ kind, namespace, policy, direction, rule }: FlowRule): string {
  return `${kind} ${namespace}/${policy} ${direction} ${rule}`;
}

/** Of a request: whom it was sent to and what came of it. Never its query or headers. */
export function httpAttributes({ http, destination }: Flow): Attributes {
  if (http === undefined) return {};
  const { host, path, status } = http;
  const method = methodOf(http.method);
  return {
    [ATTR_HTTP_REQUEST_METHOD]: method,
    ...(method === http.method ? {} : { [ATTR_HTTP_REQUEST_METHOD_ORIGINAL]: urlText(http.method) }),
    [ATTR_URL_SCHEME]: 'http',
    [ATTR_URL_PATH]: urlText(path),
    ...(status === 0 ? {} : { [ATTR_HTTP_RESPONSE_STATUS_CODE]: status }),
    [ATTR_SERVER_ADDRESS]: host === '' ? destination.address : hostOf(urlText(host)),
    [ATTR_SERVER_PORT]: destination.port,
    [ATTR_NETWORK_PROTOCOL_NAME]: 'http',
    ...(http.isHttp2 === true ? { [ATTR_NETWORK_PROTOCOL_VERSION]: '2' } : {}),
    ...rpcAttributes(http),
  };
}

/** Of a gRPC call. These names are still experimental ones of the conventions. */
function rpcAttributes({ path, grpcStatus }: NonNullable<Flow['http']>): Attributes {
  if (grpcStatus === undefined) return {};
  const call = grpcCallOf(path);
  return {
    'rpc.system': 'grpc',
    'rpc.grpc.status_code': grpcStatus,
    ...(call === undefined
      ? {}
      : { 'rpc.service': urlText(call.service), 'rpc.method': urlText(call.method) }),
  };
}

/** How a flow went through the mesh. */
export function meshAttributes(flow: Flow): Attributes {
  const { verdict, reason, path, reference, egressRule, ingressRule } = flow;
  return {
    'perigee.verdict': verdict,
    'perigee.path': path,
    ...(reason === 'none' ? {} : { 'perigee.reason': reason }),
    ...(reference === undefined ? {} : { 'perigee.reference': reference }),
    ...(egressRule === undefined ? {} : { 'perigee.egress_rule': ruleText(egressRule) }),
    ...(ingressRule === undefined ? {} : { 'perigee.ingress_rule': ruleText(ingressRule) }),
  };
}

/** Of the connection beneath. */
export function networkAttributes({ protocol, destination }: Flow): Attributes {
  return {
    [ATTR_NETWORK_TRANSPORT]: protocol.toLowerCase(),
    [ATTR_NETWORK_TYPE]: destination.address.includes(':') ? 'ipv6' : 'ipv4',
  };
}
