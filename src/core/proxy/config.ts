// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';

/**
 * What the proxy needs to know: the agent compiles it, the proxy validates it, keeps the last one that it
 * accepted on disk and starts from that, also when no agent is there.
 */

const u32 = z.int().min(0).max(0xffffffff);
const port = z.int().min(0).max(65535);

/** A governed workload of this node that is a network namespace. */
export const proxyWorkload = z.strictObject({
  id: u32.describe('Numeric name, as in the kernel maps'),
  identity: u32,
  identities: z
    .array(u32)
    .optional()
    .describe('Those of all its addresses as of now, absent: that one; another is from before a change'),
  namespace: z.string(),
  name: z.string(),
  netns: z.string().describe('Path of the namespace file'),
  netnsCookie: z.string().regex(/^\d+$/).describe('SO_NETNS_COOKIE, decimal'),
});

/**
 * One row of the verdict table: disjoint port ranges per (workload, direction, identity). TCP only. Identity 0
 * stands for every peer that has no rows of its own.
 */
export const proxyVerdict = z.strictObject({
  workload: u32,
  direction: z.enum(['egress', 'ingress']),
  identity: u32.describe('The peer'),
  from: port,
  to: port,
  action: z.enum(['allow', 'deny', 'http']),
  rule: u32.describe('Numeric name of the deciding rule, 0: none'),
  automaton: z
    .int()
    .min(0)
    .optional()
    .describe('Index into automata: for action http it decides requests, for action allow it only reports'),
  audit: u32.optional().describe('Rule of a policy in Audit mode that would refuse the connection'),
});

const named = z.strictObject({
  name: z.string(),
  type: z.enum(['Exact', 'RegularExpression', 'Present']),
  value: z.string().optional(),
});

const httpMatch = z.strictObject({
  methods: z.array(z.string()).optional(),
  path: z
    .strictObject({ type: z.enum(['Exact', 'PathPrefix', 'RegularExpression']), value: z.string() })
    .optional(),
  host: z.array(z.string()).optional(),
  headers: z.array(named).optional(),
  queryParams: z.array(named).optional(),
});

/** One rule list, compiled. */
export const proxyAutomaton = z.strictObject({
  table: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .describe('Digest of a table of core/automaton'),
  readHeaders: z.array(z.string()).describe('Header names that enforced rules read: refused as trailers'),
  defaultDeny: u32.describe('Rule under which a request is reported that no rule would allow, 0: none'),
  // Left out where it isn't: a proxy of an earlier build doesn't know it.
  http2: z.literal(true).optional().describe('Requests may come over HTTP/2 without TLS, too'),
  rules: z
    .array(
      z.strictObject({
        rule: u32,
        action: z.enum(['Allow', 'Deny']),
        matches: z.array(httpMatch),
        audit: z.boolean().optional(),
      }),
    )
    .optional()
    .describe('Where the table leaves something undecided: the rules, to be evaluated over the head'),
});

export const proxyLimits = z.strictObject({
  headBytes: z.int().min(1024).max(1048576).default(65536).describe('Request or response head, bytes'),
  headers: z.int().min(8).max(4096).default(256).describe('Header lines of one head'),
  headTimeoutMs: z.int().min(100).default(10000).describe('From the first byte of a head to its end, ms'),
  idleTimeoutMs: z
    .int()
    .min(100)
    .default(600000)
    .describe('Connection without a byte in either direction, ms'),
  connectTimeoutMs: z.int().min(100).default(5000).describe('Upstream connect, ms'),
  connectionsPerWorkload: z.int().min(1).default(4096).describe('Connections of one workload at once'),
  bytesPerWorkload: z.int().min(65536).default(33554432).describe('Buffered output of one workload, bytes'),
  upgrade: z.boolean().default(true).describe('Pass Upgrade through where policy allows the request'),
});

export const requestFlows = z
  .enum(['all', 'refused'])
  .default('all')
  .describe(
    'all: a flow for every HTTP request; refused: only for those that policy refuses, or would if it were enforced, and those that failed. All are counted',
  );
export type RequestFlows = z.infer<typeof requestFlows>;

export const proxyConfig = z.strictObject({
  version: z.literal(3),
  revision: z.int().min(0).describe('Of the state that it was made for, for people: numbers come again'),
  digest: z
    .string()
    .optional()
    .describe('Names all of it but the revision; status tells it, and whoever sent it knows it again'),
  mapsRoot: z.string().describe('Folder of the pinned maps'),
  workloads: z.array(proxyWorkload).max(65536),
  verdicts: z.array(proxyVerdict),
  automata: z.array(proxyAutomaton),
  limits: proxyLimits,
  // Left out where it is the default: a proxy of an earlier build doesn't know it.
  requestFlows: requestFlows.optional(),
});

export type ProxyWorkload = z.infer<typeof proxyWorkload>;
export type ProxyVerdict = z.infer<typeof proxyVerdict>;
export type ProxyAutomaton = z.infer<typeof proxyAutomaton>;
export type ProxyLimits = z.infer<typeof proxyLimits>;
export type ProxyConfig = z.infer<typeof proxyConfig>;
