// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';
import { dnsLabel, labels } from './metadata.ts';

/** Optional: a namespace that a workload names exists without it. */
export const namespaceSchema = z.strictObject({
  apiVersion: z.literal('v1').describe('`v1`.'),
  kind: z.literal('Namespace').describe('`Namespace`.'),
  metadata: z
    .strictObject({
      name: dnsLabel.describe('Name of the namespace.'),
      labels: labels
        .exactOptional()
        .describe(
          'Labels that namespace selectors see, beside `kubernetes.io/metadata.name`. Default: none.',
        ),
      annotations: z.record(z.string(), z.string()).exactOptional().describe('Notes; read by nobody here.'),
    })
    .describe('Name and labels.'),
});

export type NamespaceResource = z.infer<typeof namespaceSchema>;
