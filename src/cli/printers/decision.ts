// SPDX-License-Identifier: Apache-2.0
import type { Explanation, PathReason } from '../../api/ports.ts';
import type { DecisionReason } from '../../core/policy/decision-reason.ts';
import type { Endpoint, Question } from '../../core/policy/verdict.ts';
import { escapeText } from './escape.ts';
import type { Style } from './style.ts';
import { ruleLine, sourceLines, traceLines } from './trace.ts';

/** What each reason of the evaluator means; the type makes a missing one a compile error. */
const meanings: Readonly<Record<DecisionReason, string>> = {
  AllowedNoPolicy: 'no policy selects either end',
  AllowedByRule: 'on each side that policy selects, a rule allows it',
  AllowedSelf: 'traffic of a workload to itself is not governed',
  AllowedNode: 'the node may always reach its own workloads',
  RequestsDecide: 'the connection is allowed, each HTTP request is decided on its own',
  DeniedByRule: 'a rule with action Deny matches',
  DeniedByDefault: 'policy selects a side and no rule of it allows this',
  RequestDeniedByRule: 'a rule with action Deny matches the request',
  RequestDeniedByDefault: 'policy selects a side and no rule of it allows this request',
};

function endText({ workload, address }: Endpoint): string {
  if (workload === undefined) return address ?? '';
  return address === undefined ? workload : `${workload} (${address})`;
}

export function questionText({ source, destination, port, protocol, http }: Question): string {
  const request = http === undefined ? '' : ` ${http.method} ${http.path}`;
  return escapeText(`${endText(source)} → ${endText(destination)} port ${port}/${protocol}${request}`);
}

/** What is so, why, and below it what would change it. */
function reasonLines(what: string, { why, change }: PathReason, style: Style): string[] {
  const line = `${style.strong(what)}: ${escapeText(why)}`;
  return change === undefined ? [line] : [line, style.faint(`  → ${escapeText(change)}`)];
}

/** The answer of `explain`: verdict, deciding rule with its text, and every rule that was considered. */
export function decisionText(
  question: Question,
  { decision, service, path: taken, boost, sources }: Explanation,
  style: Style,
): string {
  const { verdict, reason, layer, path, decidingRule, auditWouldDeny } = decision;
  const isAllowed = verdict === 'Allow';
  const lines = [
    questionText(question),
    ...(service === undefined ? [] : reasonLines('Service', service, style)),
    `${isAllowed ? style.good('ALLOWED') : style.bad('DENIED')}  ${meanings[reason]}`,
    style.faint(`decided at ${layer === 'L7' ? 'layer 7' : 'layers 3 and 4'}`),
  ];
  if (taken !== undefined) lines.push('', ...reasonLines(`the connection is ${path}`, taken, style));
  if (boost !== undefined) lines.push(...reasonLines('boost', boost, style));
  if (decidingRule !== undefined) {
    lines.push('', style.strong('deciding rule'), `  ${ruleLine(decidingRule, style)}`);
    lines.push(...sourceLines(sources, decidingRule.file, decidingRule.line).map((line) => `    ${line}`));
  }
  if (auditWouldDeny.length > 0) {
    lines.push('', style.warning('would be denied if policies in Audit mode were enforced'));
    lines.push(...auditWouldDeny.map((ref) => `  ${ruleLine(ref, style)}`));
  }
  const trace = traceLines(decision, style);
  if (trace.length > 0) lines.push('', ...trace);
  return `${lines.join('\n')}\n`;
}
