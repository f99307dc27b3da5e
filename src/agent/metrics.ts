// SPDX-License-Identifier: Apache-2.0
import type { Logger } from 'pino';
import type { Names } from '../control/compile/names.ts';
import { readBoostCounts } from '../datapath/boost/counts.ts';
import { readDnsMissed, readDrops, readFlowsLost, readOpaque } from '../datapath/counters.ts';
import type { DesiredService } from '../core/state/desired.ts';
import type { Datapath } from '../datapath/datapath.ts';
import { readRequestCounts } from '../datapath/request-counts.ts';
import type { DnsReader } from '../observability/dns/reader.ts';
import type { FlowStore } from '../observability/flow-store.ts';
import { AgentMetrics } from '../observability/metrics/agent-metrics.ts';
import { AuditMeter } from '../observability/metrics/audit-meter.ts';
import { readExemplars } from '../observability/metrics/exemplars.ts';
import { FlowMeter } from '../observability/metrics/flow-meter.ts';
import { requestTotals } from '../observability/metrics/request-totals.ts';
import { startMetricsServer } from '../observability/metrics/server.ts';
import type { OtlpExport } from '../observability/otlp/export.ts';
import type { Feed } from './feed.ts';
import { flowNames } from './names-view.ts';
import { otlpTotals, startOtlp } from './otlp.ts';
import type { ProxySupervisor } from './proxy-supervisor.ts';
import type { Reconciler } from './reconciler.ts';
import type { Settings } from './settings.ts';
import { type VerdictTotals, policyName } from './verdict-totals.ts';
import { version } from './version.ts';

export interface MetricsInput {
  readonly settings: Settings;
  readonly datapath: Datapath;
  readonly names: Names;
  readonly verdicts: VerdictTotals;
  readonly flows: FlowStore;
  readonly dns: DnsReader;
  readonly supervisor: ProxySupervisor;
  readonly reconciler: Reconciler;
  readonly feed: Readonly<Feed>;
  /** Flows by what became of them on their way to a file; undefined: there is none. */
  readonly exported: Readonly<Record<string, number>> | undefined;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** How often the rings' own counts of lost records are looked at, ms. */
const LOSS_MS = 1000;

/** Joins the kernel's counters, the stores and the proxy into the agent's metrics, serves them, and sends them on. */
export async function startMetrics(
  input: MetricsInput,
): Promise<{ readonly otlp: OtlpExport | undefined; close(): Promise<void> }> {
  const { settings, datapath, names, flows, supervisor, reconciler } = input;
  const meter = new FlowMeter(flowNames(names));
  const audited = new AuditMeter();
  flows.onRecord(meter.observe);
  flows.onRecord(audited.observe);
  const pushed: { otlp?: OtlpExport | undefined } = {};
  const metrics = new AgentMetrics({
    version,
    kernel: {
      verdicts: () => input.verdicts.read(),
      drops: () => [...readDrops(datapath.maps)].map(([reason, count]) => ({ reason, count })),
      opaque: () => [...readOpaque(datapath.maps)].map(([reason, count]) => ({ reason, count })),
      pendingPassed: () => datapath.pending.passed(),
    },
    flows: () => flows.stats(),
    exported: () => input.exported ?? {},
    otlp: () => otlpTotals(pushed.otlp),
    dns: () => ({
      answers: { ...input.dns.counts, ...readDnsMissed(datapath.maps) },
      names: input.dns.names.count,
      evicted: input.dns.names.evicted,
    }),
    pairs: () => meter.totals(),
    requests: () => requestTotals(readRequestCounts(datapath.maps), flowNames(names)),
    inline: () => {
      const { off, answers, memory } = datapath.inline;
      return { ...memory, off: off?.reason, answers };
    },
    boost: () => ({ off: datapath.boost.off?.reason, counts: readBoostCounts(datapath.maps) }),
    audited: () =>
      audited.totals().map(({ rule, direction, count }) => ({
        policy: policyName(names.ruleOf(rule)),
        direction,
        count,
      })),
    control: () => ({
      ready: reconciler.applied !== undefined,
      revision: reconciler.applied?.revision ?? 0,
      appliedAt: reconciler.applied?.at.getTime(),
      errors: input.feed.errors.length,
      warnings: reconciler.applied?.world.addresses.conflicts.length ?? 0,
      enrolled: datapath.enrolled.length,
      services: countServices([...(reconciler.applied?.compiled.desired.services.values() ?? [])]),
      failed: (reconciler.applied?.notCaptured.length ?? 0) + input.feed.notEnrolled,
      proxyCurrent: supervisor.isCurrent,
      ages: input.feed.ages(),
    }),
    proxy: () => proxyMetrics(supervisor),
  });
  reconciler.onAttempt = (durationMs) => {
    if (durationMs === undefined) metrics.reconcileFailed();
    else metrics.reconciled(durationMs / 1000);
  };
  const losses = watchLosses(datapath, flows);
  const server =
    settings.metricsAddress === 'off'
      ? undefined
      : await startMetricsServer({
          address: settings.metricsAddress,
          metrics,
          exemplars: () => readExemplars(flows, BigInt(Date.now()) * 1_000_000n),
          waitingFor: () => (reconciler.applied === undefined ? ['the first reconcile'] : []),
        });
  const { log, signal } = input;
  pushed.otlp = await startOtlp({ settings, flows, log, signal, families: () => metrics.families() });
  return {
    otlp: pushed.otlp,
    close: async () => {
      clearInterval(losses);
      await server?.close();
    },
  };
}

function countServices(services: readonly DesiredService[]): { served: number; empty: number } {
  const empty = services.filter(({ picked }) => picked.length === 0).length;
  return { served: services.length - empty, empty };
}

async function proxyMetrics(supervisor: ProxySupervisor): Promise<string | undefined> {
  try {
    return await supervisor.client.metrics();
  } catch {
    return undefined; // away: its state is a metric of its own
  }
}

/**
 * Tells the stores, and so their followers, of records that found a ring full. The kernel's counts outlive the
 * agent: those of before are in the totals, so that these never fall, and belong to no time.
 */
function watchLosses(datapath: Datapath, flows: FlowStore): NodeJS.Timeout {
  let before = readFlowsLost(datapath.maps);
  flows.lost('flows', before.flows, 0n);
  flows.lost('denials', before.denials, 0n);
  return setInterval(() => {
    const now = readFlowsLost(datapath.maps);
    flows.lost('flows', now.flows - before.flows);
    flows.lost('denials', now.denials - before.denials);
    before = now;
  }, LOSS_MS);
}
