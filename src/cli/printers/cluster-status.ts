// SPDX-License-Identifier: Apache-2.0
import { columns } from './columns.ts';
import { escapeText } from './escape.ts';
import { formatDuration } from './quantity.ts';
import { conditionLines, type NodeStatus, problemLine } from './status.ts';
import type { Style } from './style.ts';

function nodeRow(status: NodeStatus, style: Style, now: number): readonly string[] {
  const { node, ready, version, startedAt, workloads, config, proxy, flows } = status;
  const governed = workloads.filter(({ egress, ingress }) => egress === 'governed' || ingress === 'governed');
  const failed = workloads.filter((workload) => !workload.ready).length;
  return [
    escapeText(node),
    ready ? style.good('ready') : style.warning('waiting'),
    version,
    formatDuration((now - Date.parse(startedAt)) * 1e6),
    proxy.state === 'running' || proxy.state === 'off' ? proxy.state : style.bad(proxy.state),
    String(workloads.length),
    String(governed.length),
    failed === 0 ? '0' : style.bad(String(failed)),
    String(config.revision),
    `${flows.rate.toFixed(1)}/s`,
  ];
}

const heading = [
  'NODE',
  'AGENT',
  'VERSION',
  'UP',
  'PROXY',
  'WORKLOADS',
  'GOVERNED',
  'FAILED',
  'REVISION',
  'FLOWS',
];

function workloadRows(statuses: readonly NodeStatus[], style: Style): (readonly string[])[] {
  return statuses
    .flatMap(({ node, workloads }) => workloads.map((workload) => ({ node, workload })))
    .toSorted((a, b) => (a.workload.key < b.workload.key ? -1 : 1))
    .map(({ node, workload: { key, addresses, egress, ingress, ready, note } }) => [
      escapeText(key),
      escapeText(node),
      escapeText(addresses.join(' ')),
      egress,
      ingress,
      ready ? style.good('enrolled') : style.bad('failed'),
      escapeText(note ?? ''),
    ]);
}

/** What `perigee status` shows of several nodes: a line each, what is wrong anywhere, and if asked every workload. */
export function clusterStatusText(
  statuses: readonly NodeStatus[],
  style: Style,
  isWide: boolean,
  now: number,
): string {
  const lines = [columns([heading, ...statuses.map((status) => nodeRow(status, style, now))]).trimEnd()];
  for (const status of statuses) {
    const problems = status.config.problems.map((problem) => problemLine(problem, style));
    const wrong = [...problems, ...conditionLines(status)];
    if (wrong.length > 0) lines.push('', style.strong(escapeText(status.node)), ...wrong);
  }
  if (isWide) {
    const rows = workloadRows(statuses, style);
    const names = ['WORKLOAD', 'NODE', 'ADDRESSES', 'EGRESS', 'INGRESS', 'STATE', 'NOTE'];
    if (rows.length > 0) lines.push('', columns([names, ...rows]).trimEnd());
  }
  return `${lines.join('\n')}\n`;
}
