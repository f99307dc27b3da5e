// SPDX-License-Identifier: Apache-2.0
import type { AgentEventSource } from '../core/agent-event.ts';
import type { FlowSource } from '../core/flow-filter.ts';
import type { Decision, Question } from '../core/policy/verdict.ts';

/** A file, object or field of the configuration that could not be taken. */
export interface SourceProblem {
  readonly file: string;
  /** From 1. */
  readonly line?: number;
  /** `kind namespace/name`, where it could be read. */
  readonly object?: string;
  /** Path of the field: `spec.ingress[0].to[0].port`. */
  readonly field?: string;
  readonly message: string;
  readonly severity: 'error' | 'warning';
}

/** Open connections of a workload by the way they take: either end counts for its own workload. */
export interface OpenConnections {
  readonly direct: number;
  readonly inline: number;
  readonly proxied: number;
}

export interface WorkloadStatus {
  /** `namespace/name`. */
  readonly key: string;
  readonly attachment: 'netns' | 'cgroup';
  /** Of the namespace file or the cgroup. */
  readonly path: string;
  readonly identity: number;
  readonly addresses: readonly string[];
  /** Whether it can be governed in this direction, and whether some policy does. */
  readonly egress: 'governed' | 'open' | 'unsupported';
  readonly ingress: 'governed' | 'open' | 'unsupported';
  /** Enrolled and all its state in the kernel. */
  readonly ready: boolean;
  /** As the kernel has them now; absent while there are none. */
  readonly connections?: OpenConnections;
  /** Why not, or what is special about it, in words. */
  readonly note?: string;
}

/** The proxy as the agent sees it. */
export interface ProxyState {
  readonly mode: 'spawn' | 'external' | 'off';
  readonly state: 'running' | 'draining' | 'absent' | 'off';
  readonly pid?: number;
  readonly version?: string;
  /** Configuration in force there. */
  readonly revision?: number;
  readonly workers?: number;
  readonly connections?: number;
  readonly rssBytes?: number;
  readonly problems?: readonly string[];
}

export interface ConfigState {
  readonly directory: string;
  /** Grows with each state that was applied. */
  readonly revision: number;
  /** ISO 8601; absent before the first. */
  readonly appliedAt?: string;
  /** Of the last reconcile, ms. */
  readonly durationMs?: number;
  /** Objects in force by kind. */
  readonly objects: Readonly<Record<string, number>>;
  readonly problems: readonly SourceProblem[];
}

export interface ResourceCondition {
  /** `AccessPolicy shop/payments`. */
  readonly object: string;
  readonly type: string;
  readonly status: boolean;
  readonly reason: string;
  readonly message: string;
}

export interface AgentStatus {
  readonly version: string;
  readonly node: string;
  readonly pid: number;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly ready: boolean;
  /** What readiness waits for, in words. */
  readonly waitingFor: readonly string[];
  readonly kernel: string;
  readonly pinRoot: string;
  readonly cgroupRoot: string;
  readonly logLevel: string;
  readonly config: ConfigState;
  readonly workloads: readonly WorkloadStatus[];
  readonly proxy: ProxyState;
  /** Conditions that are not met, or all if the agent keeps them. */
  readonly conditions: readonly ResourceCondition[];
}

/** Lines of the file that wrote a rule. */
export interface RuleSource {
  readonly file: string;
  /** Of the first line, from 1. */
  readonly line: number;
  readonly text: string;
}

/** Why a connection takes the path that it takes. */
export interface PathReason {
  readonly why: string;
  /** What would make it take another. */
  readonly change?: string;
}

export interface Explanation {
  readonly decision: Decision;
  /** Of a question for the address of a Service: what it leads to, and which backend the answer is for. */
  readonly service?: Pick<PathReason, 'why'>;
  /** Absent if it is refused before it opens. */
  readonly path?: PathReason;
  /** Whether its messages pass TCP by, and why or why not; absent where that is no question. */
  readonly boost?: PathReason;
  /** Text of the rules that the decision names; those whose file is gone are missing. */
  readonly sources: readonly RuleSource[];
}

/** Answers by the same evaluator that fills the kernel's maps. Throws PerigeeError for an unknown workload. */
export interface Explainer {
  explain(question: Question): Explanation;
}

export interface StatusSource {
  status(): AgentStatus;
}

/** One capability of this machine, or one need. */
export interface CheckResult {
  readonly name: string;
  /** Perigee does not run without it. */
  readonly required: boolean;
  readonly ok: boolean;
  /** What was found. */
  readonly detail: string;
  /** What Perigee does with it, so what is off without. */
  readonly gives: string;
  /** What a person can do when it is missing. */
  readonly hint?: string;
}

export interface Checker {
  check(): Promise<readonly CheckResult[]>;
}

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof logLevels)[number];

export interface LogLevelControl {
  get(): LogLevel;
  set(level: LogLevel): void;
}

/** What the API says about itself; pino's logger fits. */
export interface ApiLog {
  debug(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface ApiOptions {
  /** Default `/run/perigee/agent.sock`; the folder must exist. */
  readonly socketPath: string;
  /** Numeric group that may use the socket too (mode 0660); without it root alone (0600). */
  readonly groupId?: number;
  readonly node: string;
  readonly version: string;
  readonly flows: FlowSource;
  readonly events: AgentEventSource;
  readonly status: StatusSource;
  readonly explainer: Explainer;
  readonly checker: Checker;
  readonly logLevel: LogLevelControl;
  readonly log: ApiLog;
}

/** Running server of the agent's contract. */
export interface ApiServer {
  readonly socketPath: string;
  /** Ends streams, lets unary calls finish, removes the socket. */
  close(): Promise<void>;
}
