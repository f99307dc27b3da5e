// SPDX-License-Identifier: Apache-2.0
import type { LabelSelector } from '../resources/label-selector.ts';

export type Labels = Readonly<Record<string, string>>;

function valueOf(labels: Labels, key: string): string | undefined {
  // A label may be called `constructor`.
  return Object.hasOwn(labels, key) ? labels[key] : undefined;
}

/** Undefined if the selector selects the labels, else the requirement that fails, in words. */
export function selectorMismatch(selector: LabelSelector, labels: Labels): string | undefined {
  for (const [key, wanted] of Object.entries(selector.matchLabels ?? {})) {
    const value = valueOf(labels, key);
    if (value !== wanted) return `${key} is ${value ?? 'not set'}, not ${wanted}`;
  }
  for (const { key, operator, values = [] } of selector.matchExpressions ?? []) {
    const value = valueOf(labels, key);
    const listed = value !== undefined && values.includes(value);
    if (operator === 'Exists' && value === undefined) return `${key} is not set`;
    if (operator === 'DoesNotExist' && value !== undefined) return `${key} is set`;
    if (operator === 'In' && !listed) return `${key} is ${value ?? 'not set'}, not in ${values.join(', ')}`;
    if (operator === 'NotIn' && listed) return `${key} is ${value}, one of ${values.join(', ')}`;
  }
  return undefined;
}

export function selects(selector: LabelSelector, labels: Labels): boolean {
  return selectorMismatch(selector, labels) === undefined;
}
