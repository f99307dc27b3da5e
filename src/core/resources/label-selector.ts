// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';
import { cel, type Finding, findings } from './check.ts';
import { labelKey, labels, labelValue } from './metadata.ts';

/** The most that a list may have; none: as many as Kubernetes lets it have. */
interface Caps {
  readonly expressions?: number;
  readonly values?: number;
}

function capped<T extends z.ZodType>(list: z.ZodArray<T>, most: number | undefined): z.ZodArray<T> {
  return most === undefined ? list : list.max(most);
}

function requirement(values: number | undefined) {
  return z
    .strictObject({
      key: labelKey.describe('Key of the label.'),
      operator: z
        .enum(['In', 'NotIn', 'Exists', 'DoesNotExist'])
        .describe('`NotIn` and `DoesNotExist` also select what has no such label.'),
      values: capped(z.array(labelValue), values)
        .exactOptional()
        .describe('Values for `In` and `NotIn`, at least one; none for the other operators.'),
    })
    .check(findings(checkRequirement))
    .meta(
      cel({
        rule: "(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
        message: '`In` and `NotIn` need at least one value, `Exists` and `DoesNotExist` take none',
      }),
    );
}

function* checkRequirement(value: {
  readonly operator: string;
  readonly values?: readonly string[];
}): Generator<Finding> {
  const { operator, values = [] } = value;
  const needs = operator === 'In' || operator === 'NotIn';
  const given = values.length > 0;
  if (needs && !given) yield { path: ['values'], message: `operator ${operator} needs at least one value` };
  if (!needs && given)
    yield { path: ['values'], message: `operator ${operator} takes no values`, hint: 'remove `values`' };
}

function selector({ expressions, values }: Caps) {
  return z.strictObject({
    matchLabels: labels.exactOptional().describe('Labels that must be there with exactly these values.'),
    matchExpressions: capped(z.array(requirement(values)), expressions)
      .exactOptional()
      .describe('Requirements that must all hold.'),
  });
}

/** Kubernetes' LabelSelector: both lists must hold; `{}` selects everything. */
export const labelSelector = selector({});

/** The same in our own policies: what a list may have keeps the API server's checks within its budget. */
export const policySelector = selector({ expressions: 16, values: 64 });

export type LabelSelector = z.infer<typeof labelSelector>;
