// SPDX-License-Identifier: Apache-2.0
import { AgentClient } from '../../api/client.ts';
import type { Explanation } from '../../api/ports.ts';
import type { WireFlowsResponse } from '../../api/wire.ts';
import type { FlowQuery } from '../../core/flow-filter.ts';
import type { Question } from '../../core/policy/verdict.ts';
import { PerigeeError } from '../../lib/errors.ts';
import type { Agents, ConnectionFlags } from '../agents.ts';
import type { CliContext } from '../context.ts';
import { escapeText } from '../printers/escape.ts';
import type { NodeStatus } from '../printers/status.ts';
import { Kube, type PodObject } from './kube.ts';
import { bounded, inOrder, interleave } from './merge.ts';
import { Relay } from './relay.ts';

const AGENTS = 'app.kubernetes.io/name=perigee,app.kubernetes.io/component=agent';

/** One node's agent, by way of the API server. */
interface Member {
  readonly node: string;
  readonly client: AgentClient;
  readonly relay: Relay;
  /** As it was when the connection was made. */
  readonly status: NodeStatus;
}

/** The agents of a cluster. Those that don't answer are told of, and the others go on. */
export async function connectCluster(flags: ConnectionFlags, context: CliContext): Promise<Agents> {
  const kube = new Kube(flags);
  const pods = (await kube.pods(flags.systemNamespace, AGENTS)).filter(
    ({ spec, status }) =>
      status?.phase === 'Running' && (flags.node === undefined || spec.nodeName === flags.node),
  );
  if (pods.length === 0)
    throw new PerigeeError(
      'ERR_NO_AGENTS',
      `no agent runs ${flags.node === undefined ? 'in the cluster' : `on the node ${flags.node}`}`,
      {
        object: `context ${kube.context}, namespace ${flags.systemNamespace}`,
        hint: 'Name the namespace of the chart with --system-namespace, or look: kubectl get pods -A -l app.kubernetes.io/name=perigee',
      },
    );
  const members: Member[] = [];
  const problems: PerigeeError[] = [];
  await Promise.all(
    pods.map(async (pod) => {
      try {
        members.push(await join(kube, pod));
      } catch (error) {
        if (!(error instanceof PerigeeError)) throw error;
        problems.push(error);
      }
    }),
  );
  const [problem] = problems;
  if (members.length === 0 && problem !== undefined) throw problem;
  const leaveOut = (who: string, { message }: PerigeeError): void =>
    context.err(`left out: ${escapeText(`${who}: ${message}`)}\n`);
  for (const one of problems) leaveOut(one.object ?? 'an agent', one);
  const sorted = members.toSorted((a, b) => (a.node < b.node ? -1 : 1));
  return new ClusterAgents(kube.context, sorted, leaveOut);
}

async function join(kube: Kube, pod: PodObject): Promise<Member> {
  const node = pod.spec.nodeName ?? pod.metadata.name;
  const relay = await Relay.open(kube, pod);
  const client = await AgentClient.connect(relay.path);
  try {
    return { node, client, relay, status: await client.status() };
  } catch (cause) {
    client.close();
    relay.close();
    const said = relay.problem === '' && cause instanceof Error ? cause.message : relay.problem;
    throw new PerigeeError('ERR_AGENT_UNREACHABLE', said, {
      object: `agent of ${node} (pod ${pod.metadata.namespace}/${pod.metadata.name})`,
      cause,
      hint: 'It takes the right to create pods/exec there; see what the pod says with kubectl logs',
    });
  }
}

class ClusterAgents implements Agents {
  readonly #context: string;
  readonly #members: readonly Member[];

  readonly #leaveOut: (who: string, why: PerigeeError) => void;
  #lost = 0;

  constructor(
    context: string,
    members: readonly Member[],
    leaveOut: (who: string, why: PerigeeError) => void,
  ) {
    this.#context = context;
    this.#members = members;
    this.#leaveOut = leaveOut;
  }

  name(): Promise<string> {
    const { length } = this.#members;
    return Promise.resolve(`${this.#context} (${String(length)} node${length === 1 ? '' : 's'})`);
  }

  status(): Promise<readonly NodeStatus[]> {
    // As they answered a moment ago, when they were connected.
    return Promise.resolve(this.#members.map(({ status }) => status));
  }

  /** The node that the destination is on knows best which way a connection takes there. */
  explain(question: Question): Promise<Explanation> {
    const { source, destination } = question;
    const holds = (key: string | undefined) => (member: Member) =>
      key !== undefined && member.status.workloads.some((workload) => workload.key === key);
    const [first] = this.#members;
    const member =
      this.#members.find(holds(destination.workload)) ?? this.#members.find(holds(source.workload)) ?? first;
    if (member === undefined) throw new TypeError('a cluster without agents');
    return member.client.explain(question);
  }

  flows(query: FlowQuery, signal: AbortSignal): AsyncGenerator<WireFlowsResponse, void, undefined> {
    const streams = this.#members.map((member) => this.#flowsOf(member, query, signal));
    if (query.follow) return interleave(streams);
    const ordered = inOrder(streams);
    return query.limit === undefined ? ordered : bounded(ordered, query.limit, query.end);
  }

  /** An agent that goes away takes its own flows along, not those of the others. */
  async *#flowsOf(
    { node, client }: Member,
    query: FlowQuery,
    signal: AbortSignal,
  ): AsyncGenerator<WireFlowsResponse, void, undefined> {
    try {
      yield* client.flows(query, signal);
    } catch (error) {
      this.#lost += 1;
      if (!(error instanceof PerigeeError) || this.#lost === this.#members.length) throw error;
      this.#leaveOut(`agent of ${node}`, error);
    }
  }

  lost(): number {
    return this.#lost;
  }

  close(): void {
    for (const { client, relay } of this.#members) {
      client.close();
      relay.close();
    }
  }
}
