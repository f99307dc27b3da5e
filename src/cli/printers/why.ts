// SPDX-License-Identifier: Apache-2.0
import type { Explanation } from '../../api/ports.ts';
import type { Flow, FlowEndpoint, FlowRule } from '../../core/flow.ts';
import type { Endpoint, Question } from '../../core/policy/verdict.ts';
import { reasons } from '../../core/reasons.ts';
import { escapeText } from './escape.ts';
import { decidingRule } from './flow-line.ts';
import type { Style } from './style.ts';
import { ruleLine, sourceLines, traceLines } from './trace.ts';

function endpoint({ namespace, workload, address }: FlowEndpoint): Endpoint {
  return workload === undefined ? { address } : { workload: `${namespace ?? ''}/${workload}`, address };
}

/** The question that the flow answered. Its headers are not recorded, so rules on them can't be asked about. */
export function questionOf(flow: Flow): Question {
  const { source, destination, protocol, http } = flow;
  const question = {
    source: endpoint(source),
    destination: endpoint(destination),
    port: destination.port,
    protocol,
  };
  if (http === undefined) return question;
  const mark = http.path.indexOf('?');
  const path = mark === -1 ? http.path : http.path.slice(0, mark);
  return { ...question, http: { method: http.method, path, host: http.host, headers: [], query: [] } };
}

function ruleTitle({ kind, namespace, policy, direction, rule, file, line }: FlowRule, style: Style): string {
  const name = namespace === '' ? policy : `${namespace}/${policy}`;
  const where =
    file === undefined ? '' : `  ${style.faint(`${file}${line === undefined ? '' : `:${line}`}`)}`;
  return escapeText(`${kind} ${name} ${direction} ${rule}`) + (where === '' ? '' : where);
}

function changeNote(flow: Flow, { decision }: Explanation): readonly string[] {
  const wasDenied = flow.verdict === 'denied';
  const isDenied = decision.verdict === 'Deny';
  if (wasDenied === isDenied || flow.verdict === 'error') return [];
  const cause =
    flow.http === undefined
      ? 'policy has changed since'
      : 'policy has changed since, or a rule reads headers, which flows do not record';
  return [`asked again, it is now ${isDenied ? 'denied' : 'allowed'}: ${cause}`];
}

/**
 * Why a flow was allowed or refused, indented to stand below its line. `explanation` is absent when the agent
 * could not be asked about it.
 */
export function whyText(flow: Flow, explanation: Explanation | undefined, style: Style): string {
  const { summary, action } = reasons[flow.reason];
  const lines: string[] = [];
  if (flow.kind === 'opaque')
    lines.push(`${style.strong('why')}   its requests are not seen from here on: ${flow.reason}. ${action}`);
  else if (flow.reason !== 'none')
    lines.push(`${style.strong('why')}   ${summary} (${flow.reason}, on ${flow.direction})`);
  if (flow.verdict === 'audited')
    lines.push(
      `${style.strong('why')}   allowed; a policy in Audit mode would refuse it (on ${flow.direction})`,
    );
  const rule = decidingRule(flow);
  if (rule !== undefined) {
    lines.push(`${style.strong('rule')}  ${ruleTitle(rule, style)}`);
    const text = sourceLines(explanation?.sources ?? [], rule.file, rule.line);
    lines.push(...text.map((line) => `        ${line}`));
  } else if (flow.verdict === 'allowed' && flow.kind !== 'opaque')
    lines.push(`${style.strong('rule')}  none: no policy selects either end`);
  if (explanation !== undefined) {
    const { decidingRule: now } = explanation.decision;
    if (rule === undefined && now !== undefined) {
      lines.push(`${style.strong('rule')}  ${ruleLine(now, style)}`);
      const text = sourceLines(explanation.sources, now.file, now.line);
      lines.push(...text.map((line) => `        ${line}`));
    }
    lines.push(...traceLines(explanation.decision, style));
    lines.push(
      ...changeNote(flow, explanation).map((note) => `${style.strong('note')}  ${style.warning(note)}`),
    );
  }
  if (flow.verdict === 'denied' || flow.verdict === 'error') lines.push(`${style.strong('do')}    ${action}`);
  return lines.map((line) => `    ${line}\n`).join('');
}
