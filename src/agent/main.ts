// SPDX-License-Identifier: Apache-2.0
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import type { AgentStatus, ApiServer } from '../api/ports.ts';
import { startApi } from '../api/server.ts';
import { Names } from '../control/compile/names.ts';
import { readBoostRefusals } from '../datapath/boost/counts.ts';
import { Datapath } from '../datapath/datapath.ts';
import { readFlows } from '../datapath/events.ts';
import { pinLayout } from '../datapath/layout.ts';
import { nameRoom, readNames } from '../datapath/name-store.ts';
import { type Native, loadNative } from '../datapath/native.ts';
import { PerigeeError } from '../lib/errors.ts';
import type { EventLog } from '../observability/event-log.ts';
import type { FlowStore } from '../observability/flow-store.ts';
import { asItRuns, runChecks } from './check.ts';
import { ChangeEvents } from './change-events.ts';
import { FlowExport } from './flow-export.ts';
import { createExplainer, type InForce } from './explain.ts';
import { createFeed, type Feed } from './feed.ts';
import { followFiles } from './follow-files.ts';
import { cgroup2In, findCgroup2, findObjects, hostAddresses, nodeName, requireBpffs } from './host.ts';
import { inlineOffText } from './inline-state.ts';
import { type Lock, takeLock } from './lock.ts';
import { createLog } from './log.ts';
import { startMetrics } from './metrics.ts';
import { otlpConditions } from './otlp.ts';
import { followProxy } from './proxy-flows.ts';
import { countOpen } from './open-connections.ts';
import { recordOpen } from './open-flows.ts';
import type { ProxyPush } from './proxy-config.ts';
import { ProxySupervisor } from './proxy-supervisor.ts';
import { Reconciler } from './reconciler.ts';
import type { Settings } from './settings.ts';
import { type StatusInput, statusOf } from './status.ts';
import { createStore } from './store.ts';
import { Succession } from './succession.ts';
import { VerdictTotals } from './verdict-totals.ts';
import { version } from './version.ts';

/** How often namespaces are looked at for new addresses, ms. */
const REFRESH_MS = 500;

/** Entry point of the command line with the launcher's flags, for starting the proxy. */
function selfCommand(): string[] {
  return [process.execPath, ...process.execArgv, fileURLToPath(new URL(process.argv[1] ?? '', 'file:'))];
}

function required(value: string | undefined, what: string, hint: string): string {
  if (value !== undefined && value !== '') return value;
  throw new PerigeeError('ERR_HOST_LACKS', `this host has no ${what}`, { object: what, hint });
}

function governedCgroup({ cgroup }: Settings): string {
  if (cgroup !== '') return cgroup2In(cgroup);
  return required(findCgroup2(), 'cgroup2 mount', 'mount -t cgroup2 none /sys/fs/cgroup');
}

/** The kernel's side, loaded or taken over. */
function loadDatapath(settings: Settings, cgroup: string, native: Native, log: Logger): Datapath {
  if (settings.source === 'kubernetes') requireBpffs(settings.pinRoot);
  const objects = settings.objects || required(findObjects(), 'compiled eBPF programs', 'run `make build`');
  const inlineOff = { reason: 'Setting', message: 'the setting `inline` is off' } as const;
  const boostOff = { reason: 'Setting', message: 'the setting `boost` is off' } as const;
  const off = {
    ...(settings.inline === 'off' ? { inlineOff } : {}),
    ...(settings.boost === 'off' ? { boostOff } : {}),
  };
  const layout = pinLayout(settings.pinRoot);
  const { requestFlows, dnsNames } = settings;
  const datapath = Datapath.load({ native, layout, objects, cgroup, requestFlows, dnsNames, ...off });
  log.info({ ...datapath.loaded }, 'hooks are in place');
  return datapath;
}

/** Once everything is in force: the first HTTP policy of a later change should not wait for the verifier. */
function prepareHttp(datapath: Datapath, log: Logger): void {
  const started = performance.now();
  try {
    datapath.prepare();
  } catch (error) {
    // Tried again when some policy asks for it, and reported where it is then.
    log.warn({ err: error }, 'HTTP policy is not prepared');
  }
  const { off } = datapath.inline;
  if (off?.reason === 'LoadFailed') log.warn({ reason: off.reason }, inlineOffText(off));
  else
    log.debug({ ms: Math.round(performance.now() - started), off: off?.reason }, 'HTTP policy is prepared');
}

/** What keeps connections off the shorter paths. */
function shortcuts({
  inline,
  boost,
  maps,
}: Datapath): Pick<StatusInput, 'inlineOff' | 'unseen' | 'boostOff' | 'boostRefusals'> {
  return {
    inlineOff: inline.off,
    unseen: inline.unseen,
    boostOff: boost.off,
    boostRefusals: readBoostRefusals(maps),
  };
}

function boostOfNode(datapath: Datapath): InForce['boost'] {
  const { boostOff: off, boostRefusals: refusals } = shortcuts(datapath);
  return { off, refusals };
}

interface FollowParts {
  readonly settings: Settings;
  readonly datapath: Datapath;
  readonly cgroupRoot: string;
  readonly native: Native;
  readonly reconciler: Reconciler;
  readonly feed: Feed;
  readonly flows: FlowStore;
  readonly names: Names;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Keeps the reconciler fed: with what the source reads, and with namespaces that come and go. */
async function follow(parts: FollowParts): Promise<void> {
  const { settings, reconciler, feed, log, signal } = parts;
  if (settings.source === 'files') {
    parts.datapath.pending.stop();
    await followFiles(settings.config, reconciler, feed, log, signal);
  } else {
    const { followCluster } = await import('./follow-cluster.ts');
    await followCluster(parts);
  }
  const timer = setInterval(() => {
    void reconciler.refresh();
  }, REFRESH_MS);
  await aborted(signal);
  clearInterval(timer);
}

function takeLocks(native: Native, { pinRoot }: Settings, cgroupRoot: string): readonly Lock[] {
  return [
    takeLock(native, 'pins', pinRoot),
    takeLock(native, 'cgroup', String(native.cgroup.id(cgroupRoot))),
  ];
}

/** Runs the node agent until the signal. Traffic does not notice its end: what is pinned goes on. */
export async function runAgent(settings: Settings, signal: AbortSignal): Promise<void> {
  const log = createLog('perigee-agent', settings.logLevel);
  const native = loadNative();
  const startedAt = new Date();
  const cgroupRoot = governedCgroup(settings);
  const locks = takeLocks(native, settings, cgroupRoot);
  mkdirSync(settings.runDirectory, { recursive: true, mode: 0o755 });
  const datapath = loadDatapath(settings, cgroupRoot, native, log);
  const names = new Names(readNames(datapath.maps), { room: nameRoom(datapath.maps) });
  const { flows, holders, dns, rings } = createStore(settings, names, native);
  const events = new ChangeEvents(startedAt);
  const exported = startExport(settings, flows, log, signal);
  const verdicts = new VerdictTotals(datapath.maps, names);
  const wanted = (): ProxyPush | undefined => reconciler.push;
  const supervisor = new ProxySupervisor({ settings, log, command: selfCommand(), wanted, signal });
  const succession = new Succession({ native, datapath, settings, log, supervisor, signal });
  const reconciler: Reconciler = new Reconciler({
    native,
    datapath,
    names,
    settings,
    log,
    pushConfig: (pushed) => supervisor.push(pushed),
    awaitProxy: () => succession.awaitProxy(),
    cgroupRoot,
    hostAddresses: () => hostAddresses(),
    onApplied: (applied) => {
      const { compiled, revision } = applied;
      events.applied(applied);
      holders.update(applied.world.workloads, applied.at.getTime());
      verdicts.prune(compiled.desired.policy);
      if (revision === 1) setImmediate(prepareHttp, datapath, log);
    },
    onSettled: () => succession.finish(),
  });
  const feed = createFeed();
  readFlows(native, datapath.maps, rings, signal);
  followProxy(supervisor.client, flows, signal);
  recordOpen({ datapath, flows, log, seconds: settings.openFlowsSeconds }, signal);
  const metrics = await startMetrics({
    ...{ settings, datapath, verdicts, flows, dns, names, supervisor, reconciler, feed, log, signal },
    exported: exported?.counts,
  });
  const status = (): AgentStatus => {
    const { applied, failure, sweepFailure } = reconciler;
    const connections = countOpen(datapath.connections());
    const agent = { version, settings, cgroupRoot, startedAt, logLevel: log.level };
    const parts = { ...agent, applied, names, proxy: supervisor.state() };
    const { errors: problems } = feed;
    const objects = feed.counts();
    const conditions = [...feed.conditions(), ...otlpConditions(metrics.otlp)];
    const figures = { connections, objects, errors: problems, failure, sweepFailure, conditions };
    return statusOf({ ...parts, ...shortcuts(datapath), ...figures });
  };
  const api = await serveApi({
    settings,
    log,
    flows,
    events: events.log,
    status,
    inForce: () =>
      reconciler.applied === undefined
        ? undefined
        : { ...reconciler.applied, names, inline: datapath.inline, boost: boostOfNode(datapath) },
    shortcuts: () => shortcuts(datapath),
    native,
  });
  void supervisor.start();
  await follow({ settings, datapath, cgroupRoot, native, reconciler, feed, flows, names, log, signal });
  await api.close();
  await metrics.close();
  await Promise.all([exported?.ended, metrics.otlp?.ended]);
  await reconciler.end();
  datapath.close();
  for (const lock of locks) lock.release();
}

/** The export of flows, if the settings want one. */
function startExport(
  settings: Settings,
  flows: FlowStore,
  log: Logger,
  signal: AbortSignal,
): { readonly counts: FlowExport['counts']; readonly ended: Promise<void> } | undefined {
  if (settings.flowExport.file === '') return undefined;
  const flowExport = new FlowExport({ settings: settings.flowExport, node: nodeName(settings), flows, log });
  return { counts: flowExport.counts, ended: flowExport.run(signal) };
}

interface ApiParts {
  readonly settings: Settings;
  readonly log: Logger;
  readonly flows: FlowStore;
  readonly events: EventLog;
  readonly status: () => AgentStatus;
  readonly inForce: () => InForce | undefined;
  readonly shortcuts: () => ReturnType<typeof shortcuts>;
  readonly native: Native;
}

function serveApi(parts: ApiParts): Promise<ApiServer> {
  const { settings, log, flows, events, status, inForce, native } = parts;
  return startApi({
    socketPath: join(settings.runDirectory, 'agent.sock'),
    node: status().node,
    version,
    flows,
    events,
    status: { status },
    explainer: createExplainer(inForce, settings.config),
    checker: { check: async () => asItRuns(await runChecks(native), parts.shortcuts()) },
    logLevel: {
      get: () => log.level as Settings['logLevel'],
      set: (level) => {
        log.level = level;
      },
    },
    log,
    ...(settings.socketGroup === undefined ? {} : { groupId: settings.socketGroup }),
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
