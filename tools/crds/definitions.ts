// SPDX-License-Identifier: Apache-2.0
import type { ResourceKind } from '../../src/core/resources/kinds.ts';
import { schemaOf } from '../reference/schema.ts';
import { type JsonSchema, structural, type Structural } from './structural.ts';

/** How a kind is called and listed. */
interface Listing {
  readonly plural: string;
  readonly shortNames: readonly string[];
  readonly scope: 'Namespaced' | 'Cluster';
}

const GROUP = 'perigee.dev';

const listings: Readonly<Record<string, Listing>> = {
  AccessPolicy: { plural: 'accesspolicies', shortNames: ['apol'], scope: 'Namespaced' },
  ClusterAccessPolicy: { plural: 'clusteraccesspolicies', shortNames: ['capol'], scope: 'Cluster' },
};

const columns = [
  { name: 'Mode', type: 'string', jsonPath: '.spec.mode' },
  { name: 'Accepted', type: 'string', jsonPath: '.status.conditions[?(@.type=="Accepted")].status' },
  {
    name: 'Reason',
    type: 'string',
    priority: 1,
    jsonPath: '.status.conditions[?(@.type=="Accepted")].reason',
  },
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
];

/** Kubernetes' own form of a condition, of which there is one of each type. */
const status: Structural = {
  type: 'object',
  description: 'What became of the policy; written by the controller.',
  properties: {
    conditions: {
      type: 'array',
      maxItems: 8,
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['type'],
      items: {
        type: 'object',
        required: ['type', 'status', 'lastTransitionTime', 'reason', 'message'],
        properties: {
          type: { type: 'string', maxLength: 316 },
          status: { type: 'string', enum: ['True', 'False', 'Unknown'] },
          observedGeneration: { type: 'integer', format: 'int64', minimum: 0 },
          lastTransitionTime: { type: 'string', format: 'date-time' },
          reason: {
            type: 'string',
            minLength: 1,
            maxLength: 1024,
            pattern: '^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$',
          },
          message: { type: 'string', maxLength: 32768 },
        },
      },
    },
  },
};

/** The parts of a CustomResourceDefinition that its readers ask for. */
export interface Definition {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly versions: readonly { readonly schema: { readonly openAPIV3Schema: Structural } }[];
  };
}

/** The CustomResourceDefinition of a kind; undefined: it is none of ours. */
export function definitionOf({
  kind,
  apiVersion,
  schema,
  description,
}: ResourceKind): Definition | undefined {
  const listing = listings[kind];
  if (listing === undefined) return undefined;
  const { plural, shortNames, scope } = listing;
  const version = apiVersion.replace(`${GROUP}/`, '');
  const { spec = {} } = (schemaOf(schema).properties ?? {}) as Readonly<Record<string, JsonSchema>>;
  const definition = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${GROUP}` },
    spec: {
      group: GROUP,
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        shortNames,
        categories: ['perigee'],
      },
      scope,
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          additionalPrinterColumns: columns,
          subresources: { status: {} },
          schema: {
            openAPIV3Schema: {
              type: 'object',
              description,
              required: ['spec'],
              properties: {
                apiVersion: { type: 'string' },
                kind: { type: 'string' },
                metadata: { type: 'object' },
                spec: structural(spec, `${kind}.spec`),
                status,
              },
            },
          },
        },
      ],
    },
  };
  return definition;
}
