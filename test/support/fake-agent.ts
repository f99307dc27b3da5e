// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type AgentStatus,
  type ApiOptions,
  type ApiServer,
  type CheckResult,
  type Explanation,
  logLevels,
} from '../../src/api/ports.ts';
import { startApi } from '../../src/api/server.ts';
import type { RuleRef } from '../../src/core/policy/rule-ref.ts';
import type { Question } from '../../src/core/policy/verdict.ts';
import { PerigeeError } from '../../src/lib/errors.ts';
import type { FlowStore } from '../../src/observability/flow-store.ts';
import { EventLog } from '../../src/observability/event-log.ts';
import type { FlowNames } from '../../src/observability/flow-names.ts';
import { names as defaultNames } from './flow-records.ts';
import { createFlowStore } from './flow-stores.ts';

export const status: AgentStatus = {
  version: '0.1.0',
  node: 'node-1',
  pid: 4242,
  startedAt: '2026-11-23T12:00:00.000Z',
  ready: true,
  waitingFor: [],
  kernel: '6.18.44',
  pinRoot: '/sys/fs/bpf/perigee',
  cgroupRoot: '/sys/fs/cgroup/unified',
  logLevel: 'info',
  config: {
    directory: '/etc/perigee/resources',
    revision: 0,
    appliedAt: '2026-11-23T12:00:01.000Z',
    durationMs: 12.5,
    objects: { Workload: 3, AccessPolicy: 1 },
    problems: [],
  },
  workloads: [
    {
      key: 'shop/web',
      attachment: 'netns',
      path: '/run/netns/web',
      identity: 101,
      addresses: ['10.0.0.1'],
      egress: 'open',
      ingress: 'governed',
      ready: true,
      connections: { direct: 3, inline: 0, proxied: 1 },
    },
    {
      key: 'batch/job',
      attachment: 'cgroup',
      path: 'batch.slice/job',
      identity: 103,
      addresses: [],
      egress: 'governed',
      ingress: 'unsupported',
      ready: false,
      note: 'the cgroup does not exist',
    },
  ],
  proxy: {
    mode: 'spawn',
    state: 'running',
    pid: 4243,
    version: '0.1.0',
    revision: 0,
    workers: 1,
    connections: 0,
    rssBytes: 50331648,
  },
  conditions: [
    {
      object: 'AccessPolicy shop/api',
      type: 'ResolvedRefs',
      status: false,
      reason: 'NoSuchPort',
      message: 'no port http',
    },
    {
      object: 'node',
      type: 'Inline',
      status: false,
      reason: 'PoolFull',
      message: 'HTTP policy that the kernel could decide goes to the proxy: no room for 2 tables',
    },
  ],
};

const rule: RuleRef = {
  kind: 'AccessPolicy',
  namespace: 'shop',
  name: 'api',
  direction: 'ingress',
  index: 0,
  ruleName: 'web-may-read',
  file: '/etc/perigee/api.yaml',
  line: 12,
};

const byDefault: RuleRef = { ...rule, index: -1, line: 3 };

/** Denies what is not GET; knows only the namespace shop and addresses. */
export function explain(question: Question): Explanation {
  const { workload } = question.source;
  if (workload !== undefined && !/^(shop|dark)\//.test(workload)) {
    throw new PerigeeError('ERR_WORKLOAD_UNKNOWN', `no workload ${workload}`, {
      object: workload,
      hint: 'See `perigee status`',
    });
  }
  const isAllowed = question.http?.method === 'GET' && question.http.path.startsWith('/orders');
  return {
    decision: {
      verdict: isAllowed ? 'Allow' : 'Deny',
      layer: 'L7',
      path: isAllowed ? 'inline' : 'proxied',
      reason: isAllowed ? 'AllowedByRule' : 'RequestDeniedByDefault',
      decidingRule: isAllowed ? { ...rule } : byDefault,
      steps: [
        {
          direction: 'egress',
          subject: workload ?? '',
          outcome: 'Allowed',
          detail: 'no policy selects it',
        },
        {
          direction: 'ingress',
          api: 'AccessPolicy',
          subject: 'shop/api',
          rule,
          action: 'Allow',
          mode: 'Enforce',
          outcome: isAllowed ? 'Matched' : 'NotMatched',
          detail: isAllowed ? 'matches' : 'the path does not begin with /orders',
        },
        {
          direction: 'ingress',
          api: 'AccessPolicy',
          subject: 'shop/api',
          outcome: isAllowed ? 'Allowed' : 'Denied',
          detail: isAllowed ? 'allowed by a rule' : 'no rule allows it',
        },
      ],
      auditWouldDeny: isAllowed ? [{ ...rule, name: 'strict', index: 0 }] : [],
    },
    path: isAllowed
      ? { why: 'the kernel decides the requests to shop/api, on the packets of its socket' }
      : {
          why: "egress rules of shop/web read requests, and only the proxy can on the client's side",
          change: 'rules with http under the ingress of the server instead: the kernel can decide those',
        },
    sources: [
      { file: '/etc/perigee/api.yaml', line: 12, text: '  - name: web-may-read\n    action: Allow' },
      { file: '/etc/perigee/api.yaml', line: 3, text: 'kind: AccessPolicy' },
    ],
  };
}

export const checks: readonly CheckResult[] = [
  {
    name: 'btf',
    required: true,
    ok: true,
    detail: '/sys/kernel/btf/vmlinux',
    gives: 'programs that fit this kernel',
  },
  {
    name: 'sock-destroy',
    required: false,
    ok: false,
    detail: 'missing',
    gives: 'closing connections',
    hint: 'CONFIG_INET_DIAG_DESTROY=y',
  },
];

export interface FakeAgent {
  readonly api: ApiServer;
  readonly store: FlowStore;
  readonly events: EventLog;
  readonly socketPath: string;
  readonly warnings: string[];
  level: string;
  close(): Promise<void>;
}

/** The API on a socket of its own, over a real flow store and answers made up above. */
export async function startFakeAgent(
  options: Partial<ApiOptions> & { readonly storeBytes?: number; readonly names?: FlowNames } = {},
): Promise<FakeAgent> {
  const { storeBytes = 1 << 20, names = defaultNames, ...overrides } = options;
  const folder = mkdtempSync(join(tmpdir(), 'perigee-api-'));
  const store = createFlowStore({
    bytes: storeBytes,
    denialBytes: storeBytes,
    names,
    clock: { current: () => 0n },
  });
  const events = new EventLog();
  const warnings: string[] = [];
  const socketPath = join(folder, 'agent.sock');
  const agent = { level: 'info' };
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  const api = await startApi({
    socketPath,
    node: 'node-1',
    version: '0.1.0',
    flows: store,
    events,
    status: { status: () => status },
    explainer: { explain },
    checker: { check: () => Promise.resolve(checks) },
    logLevel: {
      get: () => logLevels.find((level) => level === agent.level) ?? 'info',
      set: (level) => {
        agent.level = level;
      },
    },
    log: { debug: () => {}, warn: (_fields, message) => void warnings.push(message) },
    ...overrides,
  }).catch((error: unknown) => {
    remove();
    throw error;
  });
  return Object.assign(agent, {
    api,
    store,
    events,
    socketPath,
    warnings,
    close: async () => {
      await api.close();
      remove();
    },
  });
}
