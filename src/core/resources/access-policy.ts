// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';
import { entities } from '../identity/peer-identity.ts';
import { cel, type CelRule, type Finding, findings } from './check.ts';
import { grpcMatchSchema } from './grpc-match.ts';
import { httpMatchSchema } from './http-match.ts';
import { policySelector } from './label-selector.ts';
import { clusterMetadata, dnsSubdomain, namespacedMetadata } from './metadata.ts';
import {
  checkExcept,
  checkPortRange,
  exactCidr,
  portNumber,
  portNumberOrName,
  portRangeRule,
  protocol,
} from './network.ts';

const peerFields = {
  podSelector: policySelector
    .exactOptional()
    .describe(
      "Workloads with these labels, in the policy's namespace unless `namespaceSelector` says otherwise.",
    ),
  namespaceSelector: policySelector.exactOptional().describe('Workloads in namespaces with these labels.'),
  serviceAccounts: z
    .array(dnsSubdomain)
    .min(1, 'must not be empty')
    .max(64)
    .exactOptional()
    .describe(
      "Workloads that run as any of these, in the policy's namespace unless `namespaceSelector` says otherwise.",
    ),
  cidrs: z
    .array(exactCidr)
    .min(1, 'must not be empty')
    .max(256)
    .exactOptional()
    .describe('Addresses in any of these blocks, workloads included.'),
  except: z
    .array(exactCidr)
    .min(1, 'must not be empty')
    .max(256)
    .exactOptional()
    .describe('Blocks inside `cidrs` that are left out.'),
  entities: z
    .array(z.enum(entities))
    .min(1, 'must not be empty')
    .max(4)
    .exactOptional()
    .describe('Any of these: `Cluster` is workloads and nodes, `World` everything else.'),
};

const portFields = {
  port: portNumberOrName
    .exactOptional()
    .describe('Port number, or name of a port of the workload that is connected to. Default: every port.'),
  endPort: portNumber
    .exactOptional()
    .describe('Last port of the range that begins at `port`. Default: `port`.'),
  protocol: protocol
    .exactOptional()
    .describe('`TCP` or `UDP`. Default: `TCP` if `port` is given, else every protocol.'),
};

interface PeerInput {
  cidrs?: string[];
  except?: string[];
}

function* checkPeer({ cidrs, except }: PeerInput): Generator<Finding> {
  if (except === undefined) return;
  if (cidrs === undefined) yield { path: ['except'], message: 'needs `cidrs`' };
  else yield* checkExcept(cidrs, except, ['except']);
}

function* checkNotEmpty(value: object, hint: string): Generator<Finding> {
  if (Object.keys(value).length === 0) yield { path: [], message: 'is empty', hint };
}

const exceptRule: CelRule = {
  rule: '!has(self.except) || has(self.cidrs)',
  message: '`except` needs `cidrs`',
};
const notEmpty = { minProperties: 1 };

const peer = z
  .strictObject(peerFields)
  .check(
    findings((value: PeerInput) => checkPeer(value)),
    findings((value: object) => checkNotEmpty(value, 'leave the whole list out to mean every peer')),
  )
  .meta({ ...notEmpty, ...cel(exceptRule) });

const port = z
  .strictObject(portFields)
  .check(
    findings(checkPortRange),
    findings((value: object) => checkNotEmpty(value, 'leave the whole list out to mean every port')),
  )
  .meta({ ...notEmpty, ...cel(portRangeRule) });

const destination = z
  .strictObject({ ...peerFields, ...portFields })
  .check(
    findings((value: PeerInput) => checkPeer(value)),
    findings(checkPortRange),
    findings((value: object) => checkNotEmpty(value, 'leave the whole list out to mean every destination')),
  )
  .meta({ ...notEmpty, ...cel(exceptRule, portRangeRule) });

const ruleFields = {
  name: z
    .string()
    .min(1, 'must not be empty')
    .max(63, 'must be at most 63 characters long')
    .exactOptional()
    .describe('Shown by flows and `explain`. Default: the place in the list.'),
  action: z.enum(['Allow', 'Deny']).describe('`Allow` or `Deny`; Deny wins, order means nothing.'),
  http: z
    .array(httpMatchSchema)
    .min(1, 'must not be empty: leave it out to mean the whole connection')
    .max(32)
    .exactOptional()
    .describe(
      'Requests that any of these match; then the rule is about TCP only. Default: the whole connection.',
    ),
  grpc: z
    .array(grpcMatchSchema)
    .min(1, 'must not be empty: leave it out to mean the whole connection')
    .max(32)
    .exactOptional()
    .describe(
      'gRPC calls that any of these match, beside the requests of `http`; the rule is about TCP only and takes HTTP/2. Default: none.',
    ),
  http2: z
    .boolean()
    .exactOptional()
    .describe(
      'HTTP/2 without TLS (h2c, prior knowledge) is taken on these ports, too; requests are then read by the proxy. Needs `http`. Default: if there is `grpc`.',
    ),
};

const httpRule: CelRule = {
  rule: "!(has(self.http) || has(self.grpc)) || !has(self.to) || self.to.all(entry, !has(entry.protocol) || entry.protocol != 'UDP')",
  message: 'a rule with `http` or `grpc` is about TCP',
};
const http2Rule: CelRule = {
  rule: '!has(self.http2) || has(self.http) || has(self.grpc)',
  message: '`http2` needs `http` or `grpc`',
};
const grpcRule: CelRule = {
  rule: '!has(self.grpc) || !has(self.http2) || self.http2',
  message: '`http2` is how gRPC travels: leave it out',
};

interface RuleInput {
  http?: unknown;
  grpc?: unknown;
  http2?: boolean;
  to?: { protocol?: string }[];
}

function* checkHttp({ http, grpc, http2, to = [] }: RuleInput): Generator<Finding> {
  if (grpc !== undefined && http2 === false)
    yield { path: ['http2'], message: 'is how gRPC travels: leave it out' };
  if (http === undefined && grpc === undefined) {
    if (http2 !== undefined)
      yield { path: ['http2'], message: 'needs `http`: without it the whole connection passes as it is' };
    return;
  }
  for (const [index, entry] of to.entries()) {
    if (entry.protocol !== 'UDP') continue;
    yield { path: ['to', index, 'protocol'], message: 'must be TCP in a rule with `http` or `grpc`' };
  }
}

const ingressRule = z
  .strictObject({
    ...ruleFields,
    from: z
      .array(peer)
      .min(1, 'must not be empty: leave it out to mean everyone')
      .max(32)
      .exactOptional()
      .describe('Who connects, any of these. Default: everyone.'),
    to: z
      .array(port)
      .min(1, 'must not be empty: leave it out to mean every port')
      .max(32)
      .exactOptional()
      .describe('Ports connected to, any of these. Default: every port.'),
  })
  .check(findings((rule: RuleInput) => checkHttp(rule)))
  .meta(cel(httpRule, http2Rule, grpcRule));

const egressRule = z
  .strictObject({
    ...ruleFields,
    to: z
      .array(destination)
      .min(1, 'must not be empty: leave it out to mean everything')
      .max(32)
      .exactOptional()
      .describe('Who and which port is connected to, any of these. Default: everything.'),
  })
  .check(findings((rule: RuleInput) => checkHttp(rule)))
  .meta(cel(httpRule, http2Rule, grpcRule));

const specFields = {
  selector: policySelector
    .exactOptional()
    .describe('Workloads that the policy governs, by label. Default: all.'),
  mode: z
    .enum(['Enforce', 'Audit'])
    .default('Enforce')
    .describe('`Audit` evaluates and reports what it would deny, and never denies. Default: `Enforce`.'),
  ingress: z
    .array(ingressRule)
    .max(128)
    .exactOptional()
    .describe(
      'Rules for connections to the workloads. If present, even empty, what no rule allows is denied.',
    ),
  egress: z
    .array(egressRule)
    .max(128)
    .exactOptional()
    .describe(
      'Rules for connections from the workloads. If present, even empty, what no rule allows is denied.',
    ),
};

const directionsRule: CelRule = {
  rule: 'has(self.ingress) || has(self.egress)',
  message: 'needs `ingress` or `egress`; an empty list denies everything',
};

function* checkDirections(spec: { ingress?: unknown; egress?: unknown }): Generator<Finding> {
  if (spec.ingress !== undefined || spec.egress !== undefined) return;
  yield {
    path: [],
    message: 'has neither `ingress` nor `egress`',
    hint: 'an empty `ingress: []` denies everything',
  };
}

export const accessPolicySchema = z.strictObject({
  apiVersion: z.literal('perigee.dev/v1alpha1').describe('`perigee.dev/v1alpha1`.'),
  kind: z.literal('AccessPolicy').describe('`AccessPolicy`.'),
  metadata: namespacedMetadata.describe('Name, and the namespace whose workloads it governs.'),
  spec: z
    .strictObject(specFields)
    .check(findings(checkDirections))
    .meta(cel(directionsRule))
    .describe('Whom it governs and what it allows.'),
});

export const clusterAccessPolicySchema = z.strictObject({
  apiVersion: z.literal('perigee.dev/v1alpha1').describe('`perigee.dev/v1alpha1`.'),
  kind: z.literal('ClusterAccessPolicy').describe('`ClusterAccessPolicy`.'),
  metadata: clusterMetadata.describe('Name.'),
  spec: z
    .strictObject({
      namespaceSelector: policySelector
        .exactOptional()
        .describe('Namespaces whose workloads the policy governs. Default: all.'),
      ...specFields,
    })
    .check(findings(checkDirections))
    .meta(cel(directionsRule))
    .describe(
      'Whom it governs and what it allows; peers without `namespaceSelector` may be in any namespace.',
    ),
});

export type AccessPolicyResource = z.infer<typeof accessPolicySchema>;
export type ClusterAccessPolicyResource = z.infer<typeof clusterAccessPolicySchema>;
export type AccessPeer = z.infer<typeof peer>;
export type AccessPort = z.infer<typeof port>;
export type AccessRule = z.infer<typeof ingressRule> | z.infer<typeof egressRule>;
