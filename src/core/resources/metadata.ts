// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';

/** RFC 1123 label: names of namespaces. */
export const dnsLabel = z
  .string()
  .regex(
    new RegExp(`^${LABEL}$`),
    'must be lower-case letters, digits and `-`, and begin and end with a letter or digit',
  )
  .max(63, 'must be at most 63 characters long');

/** RFC 1123 subdomain: names of most resources. */
export const dnsSubdomain = z
  .string()
  .regex(
    new RegExp(`^${LABEL}(\\.${LABEL})*$`),
    'must be lower-case letters, digits, `-` and `.`, and begin and end with a letter or digit',
  )
  .max(253, 'must be at most 253 characters long');

export const labelKey = z
  .string()
  .regex(
    new RegExp(`^(${LABEL}(\\.${LABEL})*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`),
    'must be a label key such as `app` or `example.com/app`',
  )
  .max(317, 'must be at most 317 characters long');

export const labelValue = z
  .string()
  .regex(
    /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/,
    'must be at most 63 letters, digits, `-`, `_` and `.`, and begin and end with a letter or digit',
  );

export const labels = z.record(labelKey, labelValue);

const annotations = z
  .record(z.string(), z.string())
  .exactOptional()
  .describe('Notes of any content; read by nobody here.');

export const namespacedMetadata = z.strictObject({
  name: dnsSubdomain.describe('Name, unique among resources of this kind in the namespace.'),
  namespace: dnsLabel.default('default').describe('Namespace. Default: `default`.'),
  labels: labels.exactOptional().describe('Labels. Default: none.'),
  annotations,
});

export const clusterMetadata = z.strictObject({
  name: dnsSubdomain.describe('Name, unique among resources of this kind.'),
  labels: labels.exactOptional().describe('Labels. Default: none.'),
  annotations,
});
