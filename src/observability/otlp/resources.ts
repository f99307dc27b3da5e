// SPDX-License-Identifier: Apache-2.0
import { type Resource, resourceFromAttributes } from '@opentelemetry/resources';
import {
  ATTR_K8S_NAMESPACE_NAME,
  ATTR_K8S_NODE_NAME,
  ATTR_K8S_POD_NAME,
  ATTR_SERVICE_INSTANCE_ID,
  ATTR_SERVICE_NAME,
  ATTR_SERVICE_NAMESPACE,
  ATTR_SERVICE_VERSION,
} from '@opentelemetry/semantic-conventions';
import type { FlowEndpoint } from '../../core/flow.ts';

/** Where this agent runs. */
export interface OtlpNode {
  readonly name: string;
  readonly version: string;
  /** Workloads are pods. */
  readonly isKubernetes: boolean;
}

/** Labels that name the service of a workload; the first that is there counts. */
const SERVICE_LABELS = ['app.kubernetes.io/name', 'app', 'k8s-app'] as const;

/** Resources of workloads that are kept; beyond, all are made anew. */
const MAX_KEPT = 1000;

function serviceName({ labels = {}, workload, serviceAccount, address }: FlowEndpoint): string {
  const labelled = SERVICE_LABELS.map((label) => labels[label]).find(
    (value) => value !== undefined && value !== '',
  );
  return labelled ?? workload ?? serviceAccount ?? address;
}

/** Who telemetry is about. The same workload has the same object, by which the serialiser groups. */
export class OtlpResources {
  readonly agent: Resource;
  readonly #node: OtlpNode;
  readonly #workloads = new Map<string, Resource>();

  constructor(node: OtlpNode) {
    this.#node = node;
    this.agent = resourceFromAttributes({
      [ATTR_SERVICE_NAME]: 'perigee-agent',
      [ATTR_SERVICE_VERSION]: node.version,
      [ATTR_SERVICE_INSTANCE_ID]: node.name,
      ...this.#where(),
    });
  }

  /** Of a workload of this node. */
  of(end: FlowEndpoint): Resource {
    const name = serviceName(end);
    const key = `${end.namespace ?? ''}\n${end.workload ?? ''}\n${name}`;
    const known = this.#workloads.get(key);
    if (known !== undefined) return known;
    if (this.#workloads.size >= MAX_KEPT) this.#workloads.clear();
    const made = this.#make(name, end);
    this.#workloads.set(key, made);
    return made;
  }

  #make(name: string, { namespace, workload }: FlowEndpoint): Resource {
    const { isKubernetes } = this.#node;
    return resourceFromAttributes({
      [ATTR_SERVICE_NAME]: name,
      ...(namespace === undefined ? {} : { [ATTR_SERVICE_NAMESPACE]: namespace }),
      ...(workload === undefined ? {} : { [ATTR_SERVICE_INSTANCE_ID]: `${namespace ?? ''}/${workload}` }),
      ...(isKubernetes && namespace !== undefined ? { [ATTR_K8S_NAMESPACE_NAME]: namespace } : {}),
      ...(isKubernetes && workload !== undefined ? { [ATTR_K8S_POD_NAME]: workload } : {}),
      ...this.#where(),
    });
  }

  #where(): Readonly<Record<string, string>> {
    const { isKubernetes, name } = this.#node;
    return { [isKubernetes ? ATTR_K8S_NODE_NAME : 'host.name']: name };
  }
}
