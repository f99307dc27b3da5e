// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Explainer, RuleSource } from '../api/ports.ts';
import type { RuleRef } from '../core/policy/rule-ref.ts';
import type { Decision } from '../core/policy/verdict.ts';
import { PerigeeError } from '../lib/errors.ts';
import { type BoostSources, boostOf } from './boost-state.ts';
import { type PathSources, connectionPath } from './connection-path.ts';
import { explainResolved, type ServiceSources } from './explain-service.ts';

/** Lines of one rule shown at most. */
const MAX_LINES = 14;

/** What is in force, as far as answers need it. */
export interface InForce extends PathSources {
  readonly boost: Pick<BoostSources, 'off' | 'refusals'>;
  readonly names: PathSources['names'] & ServiceSources['names'];
}

/** Answers questions over the state that is in force. */
export function createExplainer(inForce: () => InForce | undefined, directory: string): Explainer {
  return {
    explain: (asked) => {
      const now = inForce();
      if (now === undefined) {
        throw new PerigeeError('ERR_NOT_READY', 'the agent has not yet read its configuration', {
          hint: 'wait until `perigee status` says ready',
        });
      }
      const { world, compiled, names } = now;
      const { services } = compiled.desired;
      const { question, decision, ...resolved } = explainResolved({ world, services, names }, asked);
      const sources = ruleSources(decision, directory);
      const taken = connectionPath(now, question, decision);
      if (taken === undefined) return { decision, ...resolved, sources };
      const { path, ...reason } = taken;
      const boost = boostOf({ world, workloads: compiled.desired.workloads, ...now.boost }, question, path);
      return {
        decision: { ...decision, path },
        ...resolved,
        path: reason,
        ...(boost === undefined ? {} : { boost }),
        sources,
      };
    },
  };
}

function ruleSources(decision: Decision, directory: string): RuleSource[] {
  const named = [
    decision.decidingRule,
    ...decision.auditWouldDeny,
    ...decision.steps.map((step) => step.rule),
  ];
  const places = new Map<string, { file: string; line: number }>();
  for (const ref of named) {
    if (!hasPlace(ref)) continue;
    places.set(`${ref.file}:${String(ref.line)}`, { file: ref.file, line: ref.line });
  }
  return [...places.values()].flatMap((place) => {
    const text = ruleText(join(directory, place.file), place.line);
    return text === undefined ? [] : [{ ...place, text }];
  });
}

function hasPlace(ref: RuleRef | undefined): ref is RuleRef & { file: string; line: number } {
  return ref?.file !== undefined && ref.line !== undefined;
}

/** The lines from the rule's first to the next line that is indented no deeper. */
function ruleText(path: string, line: number): string | undefined {
  let lines: string[];
  try {
    lines = readFileSync(path, 'utf8').split('\n');
  } catch {
    return undefined;
  }
  const first = lines[line - 1];
  if (first === undefined) return undefined;
  const depth = indent(first);
  const end = lines.findIndex((text, at) => at >= line && text.trim() !== '' && indent(text) <= depth);
  return lines
    .slice(line - 1, Math.min(end === -1 ? lines.length : end, line - 1 + MAX_LINES))
    .join('\n')
    .trimEnd();
}

function indent(text: string): number {
  return text.length - text.trimStart().length;
}
