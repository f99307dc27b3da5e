// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { isIP } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { flowFromWire } from '../../api/flow-from-wire.ts';
import type { Flow, FlowRule } from '../../core/flow.ts';
import type { EndpointFilter, FlowQuery } from '../../core/flow-filter.ts';
import { PerigeeError, messageOf } from '../../lib/errors.ts';
import { type Agents, connectAgents, type ConnectionFlags } from '../agents.ts';
import type { CliContext, ExitCode } from '../context.ts';
import { usageError } from '../observe/filters.ts';
import { decidingRule } from '../printers/flow-line.ts';
import { History, peerName, uiRule } from './history.ts';
import { type UiEdgeDetail, type UiFlow, type UiMap, windows } from './model.ts';
import { ToldTwice } from '../told-twice.ts';
import { startUiServer } from './server.ts';

export interface UiFlags extends ConnectionFlags {
  readonly listen: string;
}

const MAX_WINDOW_MS = Math.max(...windows) * 1000;
/** Flows of an edge that the page gets. */
const DETAIL_FLOWS = 200;
const RETRY_MS = 1000;
/** How often a cluster is looked at for agents that have gone: they may be there again, ms. */
const LOOK_MS = 5000;

/** Folder of the page: in a checkout, or beside a shipped bundle. */
function findAssets(): string {
  const places = ['../../../build/ui', '../ui', '../../ui', './ui'].map((place) =>
    fileURLToPath(new URL(place, import.meta.url)),
  );
  const found = places.find((place) => existsSync(`${place}/app.js`));
  if (found !== undefined) return found;
  throw new PerigeeError('ERR_UI_MISSING', 'the page is not built', {
    object: places[0] ?? '',
    hint: 'run `make build`',
  });
}

function parseListen(text: string): { host: string; port: number } {
  const [, host = '', port = ''] = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+):(\d{1,5})$/.exec(text) ?? [];
  const bare = host.replace(/^\[|\]$/g, '');
  if ((isIP(bare) !== 0 || host === 'localhost') && Number(port) <= 65535)
    return { host, port: Number(port) };
  throw usageError(`--listen: not an address: ${JSON.stringify(text)}`, 'Write it as 127.0.0.1:4255');
}

/** Adds flows up as they come, from `since` on, until an agent goes; returns where to go on. */
async function followOnce(history: History, since: bigint, parts: FollowParts): Promise<bigint> {
  const { flags, context, state } = parts;
  const agents = state.agents ?? (await connectAgents(flags, context));
  const gone = new AbortController();
  const timer = setInterval(() => {
    if (agents.lost() > 0) gone.abort();
  }, LOOK_MS);
  let next = since;
  const told = new ToldTwice();
  try {
    state.node = await agents.name();
    state.agents = agents;
    delete state.problem;
    const query: FlowQuery = { include: [], exclude: [], end: 'newest', follow: true, since };
    const signal = AbortSignal.any([context.signal, gone.signal]);
    for await (const { flow: wire, lost_events: lost, node_name: from = '' } of agents.flows(query, signal)) {
      if (wire === undefined) {
        history.missed += Number(lost?.num_events_lost ?? 0);
        continue;
      }
      const flow = flowFromWire(wire);
      if (flow.time >= next) next = flow.time + 1n;
      if (!told.has(flow, from)) history.add(flow, context.now());
    }
  } catch (error) {
    state.problem = messageOf(error);
  } finally {
    clearInterval(timer);
    delete state.agents;
    agents.close();
  }
  return next;
}

/** Begins with what the agents have stored, and goes on when they come back. */
async function follow(history: History, parts: FollowParts): Promise<void> {
  const { context, state } = parts;
  let since = BigInt(context.now() - MAX_WINDOW_MS) * 1_000_000n;
  while (!context.signal.aborted) {
    try {
      since = await followOnce(history, since, parts);
    } catch (error) {
      state.problem = messageOf(error);
    }
    await sleep(RETRY_MS, undefined, { signal: context.signal }).catch(() => undefined);
  }
}

interface State {
  /** What the page calls them. */
  node: string;
  /** While they are followed. */
  agents?: Agents;
  problem?: string;
}

interface FollowParts {
  readonly flags: UiFlags;
  readonly context: CliContext;
  readonly state: State;
}

/** Who a name on the map is. */
function endpointOf(name: string): EndpointFilter {
  const [address = ''] = name.split(' ', 1);
  if (isIP(address) !== 0) return { addresses: [address] };
  const slash = name.indexOf('/');
  return { names: [{ namespace: name.slice(0, slash), name: name.slice(slash + 1) }] };
}

function uiFlow(flow: Flow): UiFlow {
  const { kind, verdict, path, reason, http, duration, reference, closer } = flow;
  const request =
    http === undefined ? '' : `${http.method} ${http.path} ${http.status === 0 ? '' : String(http.status)}`;
  const ended = kind === 'close' ? `closed${closer === undefined ? '' : ` by ${closer}`}` : undefined;
  const what = ended ?? (kind === 'open' ? 'still open' : request || 'connection');
  return {
    ...{ time: Number(flow.time / 1_000_000n), kind, verdict, path, reason, duration, what: what.trim() },
    port: flow.destination.port,
    ...(reference === undefined ? {} : { reference }),
  };
}

async function detailOf(query: URLSearchParams, state: State, context: CliContext): Promise<UiEdgeDetail> {
  const [source, destination] = [query.get('source') ?? '', query.get('destination') ?? ''];
  const seconds = windowOf(query);
  if (state.agents === undefined)
    throw new PerigeeError('ERR_AGENT_NOT_RUNNING', state.problem ?? 'no agent is connected');
  const flows: UiFlow[] = [];
  const rules = new Map<string, { rule: FlowRule; verdict: Flow['verdict']; count: number }>();
  const count = (rule: FlowRule | undefined, { verdict }: Flow): void => {
    if (rule === undefined) return;
    const key = JSON.stringify([rule, verdict]);
    const known = rules.get(key) ?? { rule, verdict, count: 0 };
    known.count += 1;
    rules.set(key, known);
  };
  const wanted: FlowQuery = {
    include: [{ source: endpointOf(source), destination: endpointOf(destination) }],
    exclude: [],
    ...{ end: 'newest', follow: false, limit: DETAIL_FLOWS },
    since: BigInt(context.now() - seconds * 1000) * 1_000_000n,
  };
  for await (const { flow: wire } of state.agents.flows(wanted, context.signal)) {
    if (wire === undefined) continue;
    const flow = flowFromWire(wire);
    if (peerName(flow.source) !== source || peerName(flow.destination) !== destination) continue;
    flows.push(uiFlow(flow));
    if (flow.verdict === 'denied' || flow.verdict === 'audited') count(decidingRule(flow), flow);
    else for (const rule of [flow.egressRule, flow.ingressRule]) count(rule, flow);
  }
  return {
    flows: flows.toReversed(),
    rules: [...rules.values()]
      .map(({ rule, verdict, count: times }) => ({ ...uiRule(rule), verdict, count: times }))
      .toSorted((a, b) => b.count - a.count),
  };
}

function windowOf(query: URLSearchParams): number {
  const wanted = Number(query.get('window'));
  return windows.find((seconds) => seconds === wanted) ?? 60;
}

/** Serves the page until the person interrupts. */
export async function ui(flags: UiFlags, context: CliContext): Promise<ExitCode> {
  const listen = parseListen(flags.listen);
  // Whoever has no way to them should be told at once.
  const agents = await connectAgents(flags, context);
  const state: State = { node: await agents.name(), agents };
  const history = new History();
  const map = (query: URLSearchParams): UiMap => ({
    node: state.node,
    missed: history.missed,
    ...(state.problem === undefined ? {} : { problem: state.problem }),
    ...history.view(windowOf(query), context.now()),
  });
  const edge = (query: URLSearchParams): Promise<UiEdgeDetail> => detailOf(query, state, context);
  const answers = { '/api/map': map, '/api/edge': edge };
  const server = await startUiServer({ listen, assets: findAssets(), answers });
  context.out(`${server.url}\n`);
  await follow(history, { flags, context, state });
  await server.close();
  return 0;
}
