// SPDX-License-Identifier: Apache-2.0
import { PerigeeError } from '../../lib/errors.ts';
import type { Kube } from './kube.ts';

type Labels = Readonly<Record<string, string>>;

interface LabelSelector {
  readonly matchLabels?: Labels;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values?: readonly string[];
  }[];
}

interface Selecting<Selector> {
  readonly spec?: { readonly selector?: Selector };
}

const apps = '/apis/apps/v1';
/** Resources that stand for pods, by every name that kubectl knows them by. */
const kinds: Readonly<Record<string, { readonly base: string; readonly plural: string }>> = {
  ...named(['deploy', 'deployment', 'deployments'], apps, 'deployments'),
  ...named(['rs', 'replicaset', 'replicasets'], apps, 'replicasets'),
  ...named(['sts', 'statefulset', 'statefulsets'], apps, 'statefulsets'),
  ...named(['ds', 'daemonset', 'daemonsets'], apps, 'daemonsets'),
  ...named(['job', 'jobs'], '/apis/batch/v1', 'jobs'),
  ...named(['svc', 'service', 'services'], '/api/v1', 'services'),
};
const podNames: ReadonlySet<string> = new Set(['po', 'pod', 'pods']);

function named(
  names: readonly string[],
  base: string,
  plural: string,
): Record<string, { readonly base: string; readonly plural: string }> {
  return Object.fromEntries(names.map((name) => [name, { base, plural }]));
}

/** A selector as the API server takes it in a query. */
function selectorText({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string {
  return [
    ...Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`),
    ...matchExpressions.map(({ key, operator, values = [] }) => {
      if (operator === 'Exists') return key;
      if (operator === 'DoesNotExist') return `!${key}`;
      return `${key} ${operator === 'In' ? 'in' : 'notin'} (${values.join(',')})`;
    }),
  ].join(',');
}

/**
 * The pods that a name means, as `namespace/name`: those of `deploy/checkout`, `svc/api`, `pod/web-0`. Anything else,
 * also `namespace/name`, stays what it is.
 */
export async function podsOf(kube: Kube, text: string, namespace: string): Promise<readonly string[]> {
  const [kind = '', name, ...rest] = text.split('/');
  if (name === undefined || name === '' || rest.length > 0) return [text];
  if (podNames.has(kind)) return [`${namespace}/${name}`];
  const known = Object.hasOwn(kinds, kind) ? kinds[kind] : undefined;
  if (known === undefined) return [text];
  const { base, plural } = known;
  const path = `${base}/namespaces/${encodeURIComponent(namespace)}/${plural}/${encodeURIComponent(name)}`;
  const object = await kube.get<Selecting<LabelSelector & Labels>>(path);
  if (object === undefined)
    throw new PerigeeError('ERR_USAGE', `there is no ${text} in the namespace ${namespace}`, {
      hint: 'Name another namespace with -n',
    });
  const chosen = object.spec?.selector ?? {};
  const selector = selectorText(plural === 'services' ? { matchLabels: chosen } : chosen);
  const pods = selector === '' ? [] : await kube.pods(namespace, selector);
  if (pods.length === 0)
    throw new PerigeeError('ERR_USAGE', `${text} in the namespace ${namespace} has no pods`, {
      hint: 'Flows of pods that are gone are found by their own names: --workload namespace/name',
    });
  return pods.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
}
