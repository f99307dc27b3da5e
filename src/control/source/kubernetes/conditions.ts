// SPDX-License-Identifier: Apache-2.0
import type { ResourceError } from '../../../core/resources/resource-error.ts';
import type { ApiObject } from './api.ts';
import { readObject } from './policy.ts';

/** Kubernetes' form of a condition. */
export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False';
  readonly observedGeneration: number;
  readonly lastTransitionTime: string;
  readonly reason: string;
  readonly message: string;
}

type Verdict = Omit<Condition, 'lastTransitionTime'>;

/** A policy, what is to be said of it, and what its status says. */
export interface Judged {
  readonly apiVersion: string;
  readonly kind: 'AccessPolicy' | 'ClusterAccessPolicy';
  readonly namespace?: string;
  readonly name: string;
  readonly wanted: Verdict;
  readonly has: Condition | undefined;
}

/** Longest message, so that a status stays readable. */
const MAX_MESSAGE = 1024;

export function judge(kind: Judged['kind'], object: ApiObject): Judged {
  const { namespace, name, generation = 0 } = object.metadata;
  const { resource, errors } = readObject(kind, object);
  const { conditions = [] } = (object.status ?? {}) as { readonly conditions?: readonly Condition[] };
  const base = { type: 'Accepted', observedGeneration: generation };
  const accepted = {
    ...base,
    status: 'True',
    reason: 'Accepted',
    message: 'every rule is in force',
  } as const;
  return {
    apiVersion: 'perigee.dev/v1alpha1',
    kind,
    name,
    ...(namespace === undefined ? {} : { namespace }),
    wanted:
      errors.length === 0
        ? accepted
        : { ...base, status: 'False', ...faultOf(errors, resource === undefined) },
    has: conditions.find(({ type }) => type === 'Accepted'),
  };
}

function faultOf(errors: readonly ResourceError[], isWhole: boolean): Pick<Condition, 'reason' | 'message'> {
  const what = isWhole
    ? 'not in force: '
    : 'in force without these rules, of which a Deny denies everything and an Allow nothing: ';
  const list = errors.map(
    ({ field, message, hint }) => `${field} ${message}${hint === undefined ? '' : ` (${hint})`}`,
  );
  const reason = isWhole ? 'Unreadable' : 'PartlyUnreadable';
  return { reason, message: (what + list.join('; ')).slice(0, MAX_MESSAGE) };
}

/** The status that the policy lacks; undefined: it says what is wanted. */
export function missingStatus(
  { apiVersion, kind, namespace, name, wanted, has }: Judged,
  now: Date,
): ApiObject | undefined {
  const isSame =
    has?.status === wanted.status &&
    has.reason === wanted.reason &&
    has.message === wanted.message &&
    has.observedGeneration === wanted.observedGeneration;
  if (isSame) return undefined;
  const lastTransitionTime =
    has?.status === wanted.status ? has.lastTransitionTime : now.toISOString().replace(/\.\d+Z$/, 'Z');
  return {
    apiVersion,
    kind,
    metadata: { name, ...(namespace === undefined ? {} : { namespace }) },
    status: { conditions: [{ ...wanted, lastTransitionTime }] },
  };
}
