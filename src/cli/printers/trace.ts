// SPDX-License-Identifier: Apache-2.0
import type { RuleSource } from '../../api/ports.ts';
import { formatRuleRef, type RuleRef } from '../../core/policy/rule-ref.ts';
import type { Decision, TraceStep } from '../../core/policy/verdict.ts';
import { escapeText } from './escape.ts';
import type { Style } from './style.ts';

const marks: Readonly<Record<TraceStep['outcome'], string>> = {
  Matched: '●',
  NotMatched: '○',
  Request: '◐',
  Allowed: '✓',
  Denied: '✗',
};

/** `/etc/perigee/api.yaml:12`, or nothing if the rule is not from a file. */
function place(file: string | undefined, line: number | undefined): string {
  if (file === undefined) return '';
  return line === undefined ? file : `${file}:${line}`;
}

/** The rule and where it is written. */
export function ruleLine(ref: RuleRef, style: Style): string {
  const where = place(ref.file, ref.line);
  return `${escapeText(formatRuleRef(ref))}${where === '' ? '' : `  ${style.faint(escapeText(where))}`}`;
}

/** The lines of YAML that wrote a rule, with their numbers. */
export function sourceLines(
  sources: readonly RuleSource[],
  file: string | undefined,
  line: number | undefined,
): readonly string[] {
  const source = sources.find((one) => one.file === file && one.line === line);
  if (source === undefined) return [];
  const lines = source.text.split('\n');
  const width = String(source.line + lines.length - 1).length;
  return lines.map((text, index) => `${String(source.line + index).padStart(width)} │ ${escapeText(text)}`);
}

function stepLine(step: TraceStep, style: Style): string {
  const mark = marks[step.outcome];
  const painted =
    step.outcome === 'Allowed' ? style.good(mark) : step.outcome === 'Denied' ? style.bad(mark) : mark;
  const what = step.rule === undefined ? (step.api ?? '') : ruleLine(step.rule, style);
  const action = step.action === undefined ? '' : `${step.action} `;
  const mode = step.mode === 'Audit' ? ' (audit)' : '';
  const head = what === '' ? '' : `${action}${what}${mode}: `;
  return `${painted} ${head}${escapeText(step.detail)}`;
}

/** Every rule that was considered and what it said, by direction. */
export function traceLines(decision: Decision, style: Style): readonly string[] {
  const lines: string[] = [];
  for (const direction of ['egress', 'ingress'] as const) {
    const steps = decision.steps.filter((step) => step.direction === direction);
    const [first] = steps;
    if (first === undefined) continue;
    lines.push(style.strong(`${direction} of ${escapeText(first.subject)}`));
    for (const step of steps) lines.push(`  ${stepLine(step, style)}`);
  }
  return lines;
}
