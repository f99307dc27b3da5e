// SPDX-License-Identifier: Apache-2.0
import { BlockList, isIPv6 } from 'node:net';
import type { Resource, ResourceOfKind } from '../../src/core/resources/kinds.ts';
import type { HttpRequest } from '../../src/core/policy/verdict.ts';

/*
 * Policy as its documents put it, read off the resources rule by rule with no index, identity or normal form.
 * It shares nothing with the evaluator but the types of the resources.
 */

export interface OracleWorld {
  readonly resources: readonly Resource[];
  /** By `namespace/name`: one address each. */
  readonly addresses: ReadonlyMap<string, string>;
  readonly node: string;
  /** Take policies in Audit mode for enforced ones. */
  readonly enforceAudit?: boolean;
}

export interface OracleQuestion {
  /** `namespace/name` of a workload, or an address. */
  readonly source: string;
  readonly destination: string;
  readonly port: number;
  readonly protocol: 'TCP' | 'UDP';
  readonly http?: HttpRequest;
}

type Workload = ResourceOfKind<'Workload'>;
type AccessPolicy = ResourceOfKind<'AccessPolicy' | 'ClusterAccessPolicy'>;
interface Selector {
  readonly matchLabels?: Record<string, string>;
  readonly matchExpressions?: readonly { key: string; operator: string; values?: string[] }[];
}
interface Side {
  readonly workload: Workload | undefined;
  readonly address: string;
}
interface Call {
  readonly world: OracleWorld;
  readonly self: Workload;
  readonly peer: Side;
  readonly port: number;
  readonly protocol: string;
  /** The workload connected to: it lends its named ports. */
  readonly server: Workload | undefined;
  readonly http: HttpRequest | undefined;
}

export function oracleAllows(world: OracleWorld, question: OracleQuestion): boolean {
  const source = sideOf(world, question.source);
  const destination = sideOf(world, question.destination);
  if (source.workload !== undefined && source.workload === destination.workload) return true;
  const { port, protocol, http } = question;
  const common = { world, port, protocol, http, server: destination.workload };
  const out =
    source.workload === undefined ||
    allows('egress', { ...common, self: source.workload, peer: destination });
  const into =
    destination.workload === undefined ||
    allows('ingress', { ...common, self: destination.workload, peer: source });
  return out && into;
}

function sideOf({ resources, addresses }: OracleWorld, text: string): Side {
  const workloads = resources.filter((resource) => resource.kind === 'Workload');
  const workload = workloads.find((one) => nameOf(one) === text || addresses.get(nameOf(one)) === text);
  return { workload, address: workload === undefined ? text : (addresses.get(nameOf(workload)) ?? '') };
}

function nameOf({ metadata }: Workload): string {
  return `${metadata.namespace}/${metadata.name}`;
}

function allows(direction: 'ingress' | 'egress', call: Call): boolean {
  return networkAllows(direction, call) && accessAllows(direction, call);
}

function networkAllows(direction: 'ingress' | 'egress', call: Call): boolean {
  if (call.peer.address === call.world.node) return true;
  let isolated = false;
  let allowed = false;
  for (const policy of call.world.resources) {
    if (policy.kind !== 'NetworkPolicy' || policy.metadata.namespace !== call.self.metadata.namespace)
      continue;
    if (!selected(policy.spec.podSelector, call.self.metadata.labels)) continue;
    if (!isolates(policy, direction)) continue;
    isolated = true;
    for (const rule of policy.spec[direction] ?? []) {
      const peers = ('from' in rule ? rule.from : 'to' in rule ? rule.to : undefined) ?? [];
      const peerOk =
        peers.length === 0 ||
        peers.some(({ podSelector, namespaceSelector, ipBlock }) =>
          ipBlock !== undefined
            ? inBlocks(call.peer.address, [ipBlock.cidr], ipBlock.except ?? [])
            : workloadOk(call, policy.metadata.namespace, podSelector, namespaceSelector, undefined),
        );
      const ports = rule.ports ?? [];
      if (peerOk && (ports.length === 0 || ports.some((port) => portOk(call, port)))) allowed = true;
    }
  }
  return !isolated || allowed;
}

function isolates({ spec }: ResourceOfKind<'NetworkPolicy'>, direction: 'ingress' | 'egress'): boolean {
  const { policyTypes = [], egress = [] } = spec;
  if (policyTypes.length > 0) return policyTypes.includes(direction === 'ingress' ? 'Ingress' : 'Egress');
  return direction === 'ingress' || egress.length > 0;
}

function accessAllows(direction: 'ingress' | 'egress', call: Call): boolean {
  let isolated = false;
  let allowed = false;
  let denied = false;
  for (const policy of call.world.resources) {
    if (policy.kind !== 'AccessPolicy' && policy.kind !== 'ClusterAccessPolicy') continue;
    if (policy.spec.mode === 'Audit' && call.world.enforceAudit !== true) continue;
    const rules = policy.spec[direction];
    if (rules === undefined || !governs(policy, call)) continue;
    isolated = true;
    const own = policy.kind === 'AccessPolicy' ? policy.metadata.namespace : undefined;
    for (const rule of rules) {
      if (!accessRuleApplies(rule, own, call)) continue;
      const matched =
        rule.http === undefined ||
        (call.http !== undefined && rule.http.some((one) => httpOk(one, call.http, rule.action === 'Deny')));
      // Without a request at hand the question is about the connection: an Allow for some request opens it.
      if (rule.action === 'Deny') denied ||= matched;
      else allowed ||= matched || call.http === undefined;
    }
  }
  return !isolated || (allowed && !denied);
}

function governs(policy: AccessPolicy, { world, self }: Call): boolean {
  if (!selected(policy.spec.selector ?? {}, self.metadata.labels)) return false;
  if (policy.kind === 'AccessPolicy') return policy.metadata.namespace === self.metadata.namespace;
  const selector = policy.spec.namespaceSelector;
  return selector === undefined || selected(selector, namespaceLabels(world, self.metadata.namespace));
}

type AccessRules = NonNullable<AccessPolicy['spec']['ingress'] | AccessPolicy['spec']['egress']>;

type Entry = NonNullable<NonNullable<AccessPolicy['spec']['egress']>[number]['to']>[number];

function accessRuleApplies(rule: AccessRules[number], own: string | undefined, call: Call): boolean {
  if (rule.http !== undefined && call.protocol !== 'TCP') return false;
  const to: readonly Entry[] | undefined = rule.to;
  if (!('from' in rule)) {
    return to === undefined || to.some((entry) => accessPeerOk(entry, own, call) && portOk(call, entry));
  }
  // Without `from` an ingress rule reads like an egress rule whose entries name ports only.
  const from: readonly Entry[] = rule.from;
  const peerOk = from.some((peer) => accessPeerOk(peer, own, call));
  return peerOk && (to === undefined || to.some((port) => portOk(call, port)));
}

function accessPeerOk(peer: Entry, own: string | undefined, call: Call): boolean {
  const { world, peer: other } = call;
  const { podSelector, namespaceSelector, serviceAccounts, cidrs, except, entities } = peer;
  if (podSelector !== undefined || namespaceSelector !== undefined || serviceAccounts !== undefined) {
    if (!workloadOk(call, own, podSelector, namespaceSelector, serviceAccounts)) return false;
  }
  if (cidrs !== undefined && !inBlocks(other.address, cidrs, except ?? [])) return false;
  if (entities === undefined) return true;
  const isNode = other.address === world.node;
  const inside = isNode || other.workload !== undefined;
  return entities.some((entity) => {
    if (entity === 'Node') return isNode;
    if (entity === 'Cluster') return inside;
    return entity === 'World' && !inside;
  });
}

function workloadOk(
  { world, peer }: Call,
  own: string | undefined,
  podSelector: Selector | undefined,
  namespaceSelector: Selector | undefined,
  serviceAccounts: readonly string[] | undefined,
): boolean {
  if (peer.workload === undefined) return false;
  const { metadata, spec } = peer.workload;
  if (namespaceSelector !== undefined) {
    if (!selected(namespaceSelector, namespaceLabels(world, metadata.namespace))) return false;
  } else if (own !== undefined && metadata.namespace !== own) return false;
  if (podSelector !== undefined && !selected(podSelector, metadata.labels)) return false;
  return serviceAccounts === undefined || serviceAccounts.includes(spec.serviceAccount);
}

function namespaceLabels({ resources }: OracleWorld, name: string): Record<string, string> {
  const found = resources.find((one) => one.kind === 'Namespace' && one.metadata.name === name);
  return { ...found?.metadata.labels, 'kubernetes.io/metadata.name': name };
}

function selected(
  { matchLabels = {}, matchExpressions = [] }: Selector,
  labels: Record<string, string> = {},
): boolean {
  const map = new Map(Object.entries(labels));
  return (
    Object.entries(matchLabels).every(([key, value]) => map.get(key) === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const value = map.get(key);
      if (operator === 'Exists') return value !== undefined;
      if (operator === 'DoesNotExist') return value === undefined;
      const listed = value !== undefined && values.includes(value);
      return operator === 'In' ? listed : !listed;
    })
  );
}

function portOk(
  { port, protocol, server }: Call,
  entry: { port?: number | string; endPort?: number; protocol?: string },
): boolean {
  const wanted = entry.protocol ?? (entry.port === undefined ? protocol : 'TCP');
  if (wanted !== protocol) return false;
  if (entry.port === undefined) return true;
  if (typeof entry.port === 'number') return entry.port <= port && port <= (entry.endPort ?? entry.port);
  const named =
    server?.spec.ports.filter((one) => one.name === entry.port && one.protocol === protocol) ?? [];
  return named.some((one) => one.port === port);
}

function inBlocks(address: string, blocks: readonly string[], except: readonly string[]): boolean {
  return inList(address, blocks) && !inList(address, except);
}

function inList(address: string, blocks: readonly string[]): boolean {
  const list = new BlockList();
  for (const block of blocks) {
    const [base = '', length] = block.split('/');
    // BlockList finds IPv4 addresses in `::/0`, as mapped ones.
    if (isIPv6(base) !== isIPv6(address)) continue;
    list.addSubnet(base, Number(length), isIPv6(base) ? 'ipv6' : 'ipv4');
  }
  return list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

type HttpFields = NonNullable<AccessRules[number]['http']>[number];

function httpOk(
  { methods, path, hosts, headers = [], queryParams = [] }: HttpFields,
  http: HttpRequest | undefined,
  deny: boolean,
): boolean {
  if (http === undefined) return false;
  if (methods !== undefined && !methods.includes(http.method)) return false;
  if (path !== undefined && !pathOk(path.type, path.value, http.path)) return false;
  if (hosts !== undefined && !hosts.some((host) => hostOk(host, http.host))) return false;
  const fold = http.headers.map(([name, value]) => [name.toLowerCase(), value] as const);
  return (
    headers.every((one) => namedOk(one, valuesOf(fold, one.name.toLowerCase()), deny)) &&
    queryParams.every((one) => namedOk(one, valuesOf(http.query, one.name), deny))
  );
}

function valuesOf(list: HttpRequest['headers'], name: string): string[] {
  return list.filter(([one]) => one === name).map(([, value]) => value);
}

/** To allow, a field must be there once; to deny, any of its values does. */
function namedOk(
  match: NonNullable<HttpFields['headers']>[number],
  values: string[],
  deny: boolean,
): boolean {
  if (match.type === 'Present') return values.length > 0;
  const holds = (value: string) =>
    match.type === 'Exact' ? value === match.value : new RegExp(`^(?:${match.value ?? ''})$`).test(value);
  return deny ? values.some(holds) : values.length === 1 && values.every(holds);
}

function pathOk(type: string, value: string, path: string): boolean {
  if (type === 'Exact') return path === value;
  if (type === 'RegularExpression') return new RegExp(`^(?:${value})$`).test(path);
  const elements = value.split('/').filter((element) => element !== '');
  const sent = path.split('/').slice(1);
  return elements.every((element, index) => sent[index] === element);
}

function hostOk(pattern: string, host: string): boolean {
  const name = (host.split(':')[0] ?? '').toLowerCase();
  const wanted = pattern.toLowerCase();
  if (!wanted.startsWith('*.')) return name === wanted;
  const labels = wanted.split('.').slice(1);
  const sent = name.split('.');
  return sent.length > labels.length && sent.slice(-labels.length).join('.') === labels.join('.');
}
