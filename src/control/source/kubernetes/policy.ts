// SPDX-License-Identifier: Apache-2.0
import { explainIssue } from '../../../core/resources/explain-issue.ts';
import { type Resource, resourceKinds } from '../../../core/resources/kinds.ts';
import { type FieldPath, formatField, type ResourceError } from '../../../core/resources/resource-error.ts';
import type { ApiObject } from './api.ts';

type Kind = 'AccessPolicy' | 'ClusterAccessPolicy' | 'NetworkPolicy' | 'Namespace';

/** An object of the API as a resource, and what of it can't be read. */
export interface ReadObject {
  /** Undefined: not even whom it governs can be told. */
  readonly resource: Resource | undefined;
  readonly errors: readonly ResourceError[];
}

type Rules = readonly { readonly action?: unknown; readonly name?: unknown }[];
type Spec = Readonly<Record<string, unknown>>;

const directions = ['ingress', 'egress'] as const;

/**
 * Reads an object. The API server refuses most that is wrong; what it can't check narrows what is allowed and never widens
 * it: a rule that can't be read allows nothing, and if it was to deny it denies everything.
 */
export function readObject(kind: Kind, { metadata, spec }: ApiObject): ReadObject {
  const definition = resourceKinds.find((candidate) => candidate.kind === kind);
  if (definition === undefined) return { resource: undefined, errors: [] };
  const { namespace, name, labels } = metadata;
  const head = {
    apiVersion: definition.apiVersion,
    kind,
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(labels === undefined ? {} : { labels }),
    },
  };
  const parse = (body: unknown) =>
    definition.schema.safeParse(body === undefined ? head : { ...head, spec: body });
  const wanted = kind === 'NetworkPolicy' ? withoutSctp(spec as Spec) : spec;
  const first = parse(kind === 'Namespace' ? undefined : wanted);
  if (first.success) return { resource: first.data, errors: [] };
  const { issues } = first.error;
  const errors = issues.flatMap((issue) =>
    explainIssue(issue, definition.schema, { ...head, spec: wanted }).map(({ path, message, hint }) => ({
      file: `${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`,
      line: 0,
      column: 0,
      field: formatField(path),
      message,
      ...(hint === undefined ? {} : { hint }),
    })),
  );
  const paths = issues.map(({ path }) => path.filter((part) => typeof part !== 'symbol'));
  const second = parse(withoutFaulty(wanted as Spec, paths));
  return { resource: second.success ? second.data : undefined, errors };
}

function withoutFaulty(spec: Spec, paths: readonly FieldPath[]): Spec {
  const narrowed: Record<string, unknown> = { ...spec };
  for (const direction of directions) {
    const rules = spec[direction];
    if (!Array.isArray(rules)) continue;
    const faulty = new Set(paths.filter((path) => path[1] === direction).map((path) => path[2]));
    narrowed[direction] = (rules as Rules).flatMap((rule, index) => {
      if (!faulty.has(index)) return [rule];
      return rule.action === 'Deny' ? [{ action: 'Deny' }] : [];
    });
  }
  return narrowed;
}

/**
 * Ports of SCTP, which governed sockets can't have anyway. A list that is left empty would mean every port, so its rule
 * goes with it.
 */
function withoutSctp(spec: Spec): Spec {
  const narrowed: Record<string, unknown> = { ...spec };
  for (const direction of directions) {
    const rules = spec[direction];
    if (!Array.isArray(rules)) continue;
    narrowed[direction] = (rules as { readonly ports?: readonly { readonly protocol?: string }[] }[]).flatMap(
      (rule) => {
        const ports = rule.ports?.filter(({ protocol }) => protocol !== 'SCTP');
        if (ports === undefined || ports.length === rule.ports?.length) return [rule];
        return ports.length === 0 ? [] : [{ ...rule, ports }];
      },
    );
  }
  return narrowed;
}
