// SPDX-License-Identifier: Apache-2.0
import { release } from 'node:os';
import type {
  AgentStatus,
  OpenConnections,
  ProxyState,
  ResourceCondition,
  SourceProblem,
  WorkloadStatus,
} from '../api/ports.ts';
import type { Names } from '../control/compile/names.ts';
import { type ResourceError } from '../core/resources/resource-error.ts';
import { formatAddress } from '../core/identity/address.ts';
import type { DesiredWorkload } from '../core/state/desired.ts';
import type { BoostOff } from '../datapath/boost/boost-path.ts';
import type { BoostRefusals } from '../datapath/boost/counts.ts';
import type { InlineOff } from '../datapath/inline/inline-path.ts';
import { boostReasons, pascal } from './boost-reasons.ts';
import { nodeName } from './host.ts';
import { inlineOffText, visibilityOffText, wantsInline, wantsVisibility } from './inline-state.ts';
import { firstRuleText } from './names-view.ts';
import type { Applied } from './reconciler.ts';
import type { Settings } from './settings.ts';

export interface StatusInput {
  readonly version: string;
  readonly settings: Settings;
  readonly cgroupRoot: string;
  readonly startedAt: Date;
  readonly logLevel: string;
  readonly applied: Applied | undefined;
  readonly names: Pick<Names, 'ruleOf'>;
  readonly objects: Readonly<Record<string, number>>;
  readonly errors: readonly ResourceError[];
  readonly proxy: ProxyState;
  /** By the workload's number. */
  readonly connections: ReadonlyMap<number, OpenConnections>;
  /** Why the desired state is not in force. */
  readonly failure: Error | undefined;
  /** Why connections that it forbids may still be open. */
  readonly sweepFailure: Error | undefined;
  /** Why HTTP policy that the kernel could decide goes to the proxy. */
  readonly inlineOff: InlineOff | undefined;
  /** Why requests that no policy reads aren't seen, though somebody asks. */
  readonly unseen: InlineOff | undefined;
  /** What the source says. */
  readonly conditions: readonly ResourceCondition[];
  /** Why no connection may be boosted. */
  readonly boostOff: BoostOff | undefined;
  /** Connections that were not, by workload. */
  readonly boostRefusals: readonly BoostRefusals[];
}

export function statusOf(input: StatusInput): AgentStatus {
  const { settings, applied } = input;
  return {
    version: input.version,
    node: nodeName(settings),
    pid: process.pid,
    startedAt: input.startedAt.toISOString(),
    ready: applied !== undefined,
    waitingFor: applied === undefined ? ['the first reconcile'] : [],
    kernel: release(),
    pinRoot: settings.pinRoot,
    cgroupRoot: input.cgroupRoot,
    logLevel: input.logLevel,
    config: {
      directory: settings.source === 'files' ? settings.config : 'Kubernetes',
      revision: applied?.revision ?? 0,
      ...(applied === undefined
        ? {}
        : { appliedAt: applied.at.toISOString(), durationMs: applied.durationMs }),
      objects: input.objects,
      problems: input.errors.map(problemOf),
    },
    workloads:
      applied === undefined
        ? []
        : applied.compiled.desired.workloads.map((entry) =>
            workloadOf(entry, applied, input.connections.get(entry.id)),
          ),
    proxy: input.proxy,
    conditions: conditionsOf(input),
  };
}

function conditionsOf(input: StatusInput): ResourceCondition[] {
  const { failure, sweepFailure, applied, inlineOff, unseen } = input;
  const conditions = [...input.conditions, ...boostConditions(input)];
  if (failure !== undefined)
    conditions.push({
      object: 'node',
      type: 'Programmed',
      status: false,
      reason: 'ReconcileFailed',
      message: failure.message,
    });
  if (sweepFailure !== undefined)
    conditions.push({
      object: 'node',
      type: 'Swept',
      status: false,
      reason: 'SweepFailed',
      message: `connections that policy forbids may still be open: ${sweepFailure.message}`,
    });
  if (inlineOff !== undefined && applied !== undefined && wantsInline(applied.compiled.desired)) {
    const { reason } = inlineOff;
    const message = inlineOffText(inlineOff);
    conditions.push({ object: 'node', type: 'Inline', status: false, reason, message });
  }
  if (unseen !== undefined && applied !== undefined && wantsVisibility(applied.compiled.desired)) {
    const { reason } = unseen;
    const message = visibilityOffText(unseen);
    conditions.push({ object: 'node', type: 'Visibility', status: false, reason, message });
  }
  for (const { rules, undecidable, auditUndecidable } of applied?.compiled.proxy.automata ?? []) {
    const why = undecidable ?? auditUndecidable;
    if (why === undefined) continue;
    const message = `${why}; enforced all the same, but the proxy compares each request with each rule`;
    const object = firstRuleText(input.names, rules);
    conditions.push({ object, type: 'Compiled', status: false, reason: 'NoTable', message });
  }
  return conditions;
}

/** Workloads that ask for boost and don't get it for all their connections. */
function boostConditions({ applied, boostOff, boostRefusals }: StatusInput): ResourceCondition[] {
  const asking = applied?.compiled.desired.workloads.filter(({ boost }) => boost) ?? [];
  const type = 'Boost';
  if (boostOff !== undefined && asking.length > 0)
    return [{ object: 'node', type, status: false, reason: boostOff.reason, message: boostOff.message }];
  return asking.flatMap(({ id, key }) => {
    const mine = boostRefusals.filter(({ workload }) => workload === id);
    const [most] = mine.toSorted((a, b) => b.count - a.count);
    if (most === undefined) return [];
    const message = mine
      .map(({ outcome, count }) => `${String(count)} connections on TCP: ${boostReasons[outcome]}`)
      .join('; ');
    return [{ object: key, type, status: false, reason: pascal(most.outcome), message }];
  });
}

function problemOf(error: ResourceError): SourceProblem {
  return {
    file: error.file,
    ...(error.line > 0 ? { line: error.line } : {}),
    ...(error.field === '' ? {} : { field: error.field }),
    message: error.hint === undefined ? error.message : `${error.message} (${error.hint})`,
    severity: 'error',
  };
}

function workloadOf(
  workload: DesiredWorkload,
  applied: Applied,
  connections: OpenConnections | undefined,
): WorkloadStatus {
  const failure = applied.notCaptured.find((entry) => entry.workload.id === workload.id);
  const cgroup = workload.attachment === 'cgroup';
  const conflict = applied.world.addresses.conflicts.find((entry) => entry.claimants.includes(workload.key));
  const note =
    failure?.error.message ??
    (conflict === undefined
      ? undefined
      : `address ${conflict.address} is claimed by ${conflict.claimants.join(', ')}`) ??
    (cgroup ? "shares the host's network namespace: governed on egress only" : undefined);
  return {
    key: workload.key,
    attachment: workload.attachment,
    path: workload.path,
    identity: workload.identity,
    addresses: workload.addresses.map(formatAddress),
    egress: workload.egressSelected ? 'governed' : 'open',
    ingress: cgroup ? 'unsupported' : workload.ingressSelected ? 'governed' : 'open',
    ready: failure === undefined,
    ...(connections === undefined ? {} : { connections }),
    ...(note === undefined ? {} : { note }),
  };
}
