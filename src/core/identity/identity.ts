// SPDX-License-Identifier: Apache-2.0
import { digest } from './digest.ts';

export const DEFAULT_TRUST_DOMAIN = 'cluster.local';

/** Who a workload is. Every workload with the same four parts has the same rights. */
export interface Identity {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Canonical text of the four parts, the same on every node. */
  readonly key: string;
}

/** Digest of the labels, independent of their order. */
export function labelsHash(labels: Readonly<Record<string, string>>): string {
  const sorted = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return digest(JSON.stringify(sorted));
}

export function createIdentity(parts: Omit<Identity, 'key'>): Identity {
  const { trustDomain, namespace, serviceAccount, labels } = parts;
  const key = `${trustDomain}/ns/${namespace}/sa/${serviceAccount}/labels/${labelsHash(labels)}`;
  return { trustDomain, namespace, serviceAccount, labels, key };
}

/** The name that certificates carry; labels aren't part of it. */
export function spiffeId({ trustDomain, namespace, serviceAccount }: Identity): string {
  return `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`;
}
