// SPDX-License-Identifier: Apache-2.0
import type { AgentStatus, ProxyState, SourceProblem, WorkloadStatus } from '../../api/ports.ts';
import type { FlowStats } from '../../core/flow-filter.ts';
import { columns } from './columns.ts';
import { escapeText } from './escape.ts';
import { formatBytes, formatDuration } from './quantity.ts';
import type { Style } from './style.ts';

export type NodeStatus = AgentStatus & { readonly flows: FlowStats };

function row(name: string, text: string): string {
  return `${name.padEnd(11)}${text}`;
}

function agentLines(status: NodeStatus, style: Style, now: number): readonly string[] {
  const age = formatDuration((now - Date.parse(status.startedAt)) * 1e6);
  const state = status.ready
    ? style.good('ready')
    : style.warning(`waiting for ${status.waitingFor.join(', ')}`);
  return [
    row('Node', `${escapeText(status.node)}  kernel ${escapeText(status.kernel)}`),
    row('Agent', `${state}  version ${status.version}  pid ${status.pid}  up ${age}  log ${status.logLevel}`),
  ];
}

function configLine({ config }: NodeStatus, style: Style): string {
  const counts = Object.entries(config.objects).map(([kind, count]) => `${count} ${kind}`);
  const errors = config.problems.filter(({ severity }) => severity === 'error').length;
  const warnings = config.problems.length - errors;
  const took =
    config.durationMs === undefined ? '' : `  applied in ${formatDuration(config.durationMs * 1e6)}`;
  const problems = [
    errors > 0 ? style.bad(`${errors} error${errors === 1 ? '' : 's'}`) : '',
    warnings > 0 ? style.warning(`${warnings} warning${warnings === 1 ? '' : 's'}`) : '',
  ].filter((text) => text !== '');
  const what = counts.length === 0 ? 'nothing' : counts.join(', ');
  const parts = [`${escapeText(config.directory)}  revision ${config.revision}  ${what}${took}`, ...problems];
  return row('Config', parts.join('  '));
}

function proxyLine(proxy: ProxyState, style: Style): string {
  const { mode, state, version, pid, connections, workers, rssBytes } = proxy;
  const painted = state === 'running' ? style.good(state) : state === 'off' ? state : style.bad(state);
  const parts = [
    `${painted} (${mode})`,
    version === undefined ? '' : `version ${version}`,
    pid === undefined ? '' : `pid ${pid}`,
    workers === undefined ? '' : `${workers} worker${workers === 1 ? '' : 's'}`,
    connections === undefined ? '' : `${connections} connections`,
    rssBytes === undefined ? '' : formatBytes(rssBytes),
    ...(proxy.problems ?? []).map((problem) => style.warning(escapeText(problem))),
  ];
  return row('Proxy', parts.filter((part) => part !== '').join('  '));
}

function flowsLine({ stored, seen, bytes, capacityBytes, rate, lost }: FlowStats, style: Style): string {
  const losses = Object.entries(lost).filter(([, count]) => count > 0);
  const text = `${stored} stored  ${seen} seen  ${rate.toFixed(1)}/s  ${formatBytes(bytes)} of ${formatBytes(capacityBytes)}`;
  const missing = losses.map(([ring, count]) => style.warning(`${count} lost (${ring})`));
  return row('Flows', [text, ...missing].join('  '));
}

export function problemLine(
  { file, line, object, field, message, severity }: SourceProblem,
  style: Style,
): string {
  const where = `${file}${line === undefined ? '' : `:${line}`}`;
  const what = [object, field].filter((part) => part !== undefined).join(' ');
  const mark = severity === 'error' ? style.bad(severity) : style.warning(severity);
  return `  ${mark} ${escapeText(where)}${what === '' ? '' : ` ${escapeText(what)}`}: ${escapeText(message)}`;
}

function workloadTable({ workloads }: NodeStatus, style: Style, isWide: boolean): string {
  const heading = ['WORKLOAD', 'IN', 'ADDRESSES', 'EGRESS', 'INGRESS', 'STATE', 'NOTE'];
  const rows = workloads.map((workload) => [
    escapeText(workload.key),
    workload.attachment,
    escapeText(workload.addresses.join(' ')),
    workload.egress,
    workload.ingress,
    workload.ready ? style.good('enrolled') : style.bad('failed'),
    escapeText(workload.note ?? ''),
    ...(isWide ? [openText(workload), String(workload.identity), escapeText(workload.path)] : []),
  ]);
  return columns([isWide ? [...heading, 'OPEN', 'IDENTITY', 'PATH'] : heading, ...rows]);
}

function openText({ connections }: WorkloadStatus): string {
  const counts = Object.entries(connections ?? {}).filter(([, count]) => count > 0);
  return counts.map(([path, count]) => `${count} ${path}`).join(', ');
}

/** Conditions that are not met. */
export function conditionLines({ conditions }: NodeStatus): readonly string[] {
  return conditions
    .filter(({ status }) => !status)
    .map(
      ({ object, type, reason, message }) =>
        `  ${escapeText(`${object} ${type}=False ${reason}: ${message}`)}`,
    );
}

/** Everything that `perigee status` shows. */
export function statusText(status: NodeStatus, style: Style, isWide: boolean, now: number): string {
  const lines = [
    ...agentLines(status, style, now),
    configLine(status, style),
    proxyLine(status.proxy, style),
    flowsLine(status.flows, style),
    ...(isWide ? [row('Pins', status.pinRoot), row('Cgroup', status.cgroupRoot)] : []),
  ];
  if (status.config.problems.length > 0) {
    lines.push('', style.strong('Problems of the configuration (the last good state is in force)'));
    lines.push(...status.config.problems.map((problem) => problemLine(problem, style)));
  }
  const unmet = conditionLines(status);
  if (unmet.length > 0) lines.push('', style.strong('Conditions that are not met'), ...unmet);
  const text = `${lines.join('\n')}\n`;
  return status.workloads.length === 0 ? text : `${text}\n${workloadTable(status, style, isWide)}`;
}
