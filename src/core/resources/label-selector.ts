// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';
import { type Finding, findings } from './check.ts';
import { labelKey, labels, labelValue } from './metadata.ts';

const requirement = z
  .strictObject({
    key: labelKey.describe('Key of the label.'),
    operator: z
      .enum(['In', 'NotIn', 'Exists', 'DoesNotExist'])
      .describe('`NotIn` and `DoesNotExist` also select what has no such label.'),
    values: z
      .array(labelValue)
      .exactOptional()
      .describe('Values for `In` and `NotIn`, at least one; none for the other operators.'),
  })
  .check(
    findings(function* ({ operator, values }): Generator<Finding> {
      const needs = operator === 'In' || operator === 'NotIn';
      const given = (values?.length ?? 0) > 0;
      if (needs && !given)
        yield { path: ['values'], message: `operator ${operator} needs at least one value` };
      if (!needs && given) {
        yield { path: ['values'], message: `operator ${operator} takes no values`, hint: 'remove `values`' };
      }
    }),
  );

/** Kubernetes' LabelSelector: both lists must hold; `{}` selects everything. */
export const labelSelector = z.strictObject({
  matchLabels: labels.exactOptional().describe('Labels that must be there with exactly these values.'),
  matchExpressions: z.array(requirement).exactOptional().describe('Requirements that must all hold.'),
});

export type LabelSelector = z.infer<typeof labelSelector>;
