// SPDX-License-Identifier: Apache-2.0
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { type Families, mergedFamilies } from './families.ts';
import { type MetricDefinition, metricDefinitions, type MetricKey } from './definitions.ts';
import type { Sample } from './series-limit.ts';
import { TotalsCounter } from './totals-counter.ts';
import type { NamedTotals } from './flow-meter.ts';
import type { MetricSources } from './sources.ts';
import { TotalsHistogram } from './totals-histogram.ts';

/** Gauges of the library that are named like counters; what they add up is there by type, too. */
const misnamed = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

const counted: ReadonlySet<string> = new Set(
  [metricDefinitions.reconcileErrors, metricDefinitions.seriesOverflow, metricDefinitions.collectErrors].map(
    ({ name }) => name,
  ),
);

const MAX_SERIES = 5000;

/** The agent's registry. Figures that live elsewhere are read when somebody scrapes, never copied in between. */
export class AgentMetrics {
  readonly registry = new Registry();
  readonly #sources: MetricSources;
  /** Those that are counted here, and those that show what is counted elsewhere. */
  readonly #counters = new Map<string, Counter>();
  readonly #totals = new Map<string, TotalsCounter>();
  readonly #gauges = new Map<string, Gauge>();
  readonly #reconcile: Histogram;
  readonly #durations: TotalsHistogram;

  constructor(sources: MetricSources) {
    this.#sources = sources;
    const { registry } = this;
    collectDefaultMetrics({ register: registry });
    for (const name of misnamed) registry.removeSingleMetric(name);
    for (const definition of Object.values<MetricDefinition>(metricDefinitions)) {
      const { name, help, labels, type } = definition;
      const options = { name, help, labelNames: [...labels], registers: [registry] };
      if (counted.has(name)) this.#counters.set(name, new Counter(options));
      else if (type === 'counter') this.#totals.set(name, new TotalsCounter(options));
      if (type === 'gauge') this.#gauges.set(name, new Gauge(options));
    }
    const histogram = ({ name, help, buckets = [] }: MetricDefinition) => ({
      ...{ name, help, buckets: [...buckets], registers: [registry] },
    });
    this.#reconcile = new Histogram(histogram(metricDefinitions.reconcileDuration));
    this.#durations = new TotalsHistogram(histogram(metricDefinitions.requestDuration));
    const build = { version: sources.version, node_version: process.version };
    this.#gauges.get(metricDefinitions.buildInfo.name)?.set(build, 1);
    this.#counters.get(metricDefinitions.reconcileErrors.name)?.inc(0);
  }

  /** A change came into force after so many seconds. */
  reconciled(seconds: number): void {
    this.#reconcile.observe(seconds);
  }

  reconcileFailed(): void {
    this.#counters.get(metricDefinitions.reconcileErrors.name)?.inc();
  }

  get #maxSeries(): number {
    return this.#sources.maxSeries ?? MAX_SERIES;
  }

  #overflowed(metric: string, count: number): void {
    if (count > 0) this.#counters.get(metricDefinitions.seriesOverflow.name)?.inc({ metric }, count);
  }

  /** Sets a counter to totals that are kept elsewhere. */
  #total(key: MetricKey, samples: readonly Sample[]): void {
    const { name } = metricDefinitions[key];
    this.#overflowed(name, this.#totals.get(name)?.show(samples, this.#maxSeries) ?? 0);
  }

  /** The same, of rows that are labels and a count. */
  #rows(key: MetricKey, rows: Iterable<{ readonly count: number }>): void {
    this.#total(
      key,
      Array.from(rows, ({ count, ...labels }) => ({ labels, value: count })),
    );
  }

  #set(key: MetricKey, value: number, labels: Readonly<Record<string, string>> = {}): void {
    this.#gauges.get(metricDefinitions[key].name)?.set(labels, value);
  }

  #collectFlows(): void {
    const { seen, lost, stored, bytes } = this.#sources.flows();
    this.#total('flowsSeen', [{ labels: {}, value: seen }]);
    this.#total(
      'flowsLost',
      Object.entries(lost).map(([ring, value]) => ({ labels: { ring }, value })),
    );
    this.#total('flowsExported', byOutcome(this.#sources.exported()));
    this.#set('flowsStored', stored);
    this.#set('flowStoreBytes', bytes);
  }

  #collectDns(): void {
    const { answers, names, evicted } = this.#sources.dns();
    this.#total('dnsAnswers', byOutcome(answers));
    this.#set('dnsNames', names);
    this.#total(
      'dnsEvicted',
      Object.entries(evicted).map(([limit, value]) => ({ labels: { limit }, value })),
    );
  }

  #collectPairs(): void {
    const rows = this.#sources.pairs();
    const samples = (value: (row: NamedTotals) => number): Sample[] =>
      rows.map((row) => ({
        labels: { source_workload: row.source, destination_workload: row.destination },
        value: value(row),
      }));
    this.#total(
      'tcpOpened',
      samples(({ opened }) => opened),
    );
    this.#total(
      'tcpClosed',
      samples(({ closed }) => closed),
    );
    this.#total(
      'tcpSent',
      samples(({ sentBytes }) => sentBytes),
    );
    this.#total(
      'tcpReceived',
      samples(({ receivedBytes }) => receivedBytes),
    );
    this.#total(
      'tcpRetransmits',
      samples(({ retransmits }) => retransmits),
    );
  }

  #collectRequests(): void {
    const { requests, durations } = this.#sources.requests();
    this.#total('requests', requests);
    this.#overflowed(
      metricDefinitions.requestDuration.name,
      this.#durations.show(durations, this.#maxSeries),
    );
  }

  #collectInline(): void {
    const { tables, bytes, off, answers } = this.#sources.inline();
    this.#set('inlineTables', tables);
    this.#set('inlineTableBytes', bytes);
    this.#gauges.get(metricDefinitions.inlineOff.name)?.reset();
    if (off !== undefined) this.#set('inlineOff', 1, { reason: off });
    this.#total('refusalsAnswered', byOutcome(answers));
  }

  #collectBoost(): void {
    const { off, counts } = this.#sources.boost();
    this.#gauges.get(metricDefinitions.boostOff.name)?.reset();
    if (off !== undefined) this.#set('boostOff', 1, { reason: off });
    this.#total('boost', byOutcome(counts));
  }

  #collectKernel(): void {
    const { kernel } = this.#sources;
    this.#rows('policyVerdicts', kernel.verdicts());
    this.#rows(
      'drops',
      [...kernel.drops()].map((row) => ({ ...row, component: 'kernel' })),
    );
    this.#rows('opaque', kernel.opaque());
    this.#total('pendingPassed', [{ labels: {}, value: kernel.pendingPassed() }]);
  }

  #collectControl(): void {
    const figures = this.#sources.control();
    this.#set('ready', figures.ready ? 1 : 0);
    this.#set('revision', figures.revision);
    this.#set('lastApplied', (figures.appliedAt ?? 0) / 1000);
    this.#set('sourceProblems', figures.errors, { severity: 'error' });
    this.#set('sourceProblems', figures.warnings, { severity: 'warning' });
    this.#set('workloads', figures.enrolled, { state: 'enrolled' });
    this.#set('services', figures.services.served, { state: 'served' });
    this.#set('services', figures.services.empty, { state: 'empty' });
    this.#set('workloads', figures.failed, { state: 'failed' });
    this.#gauges.get(metricDefinitions.proxyCurrent.name)?.remove();
    if (figures.proxyCurrent !== undefined) this.#set('proxyCurrent', figures.proxyCurrent ? 1 : 0);
    for (const [collection, age] of Object.entries(figures.ages)) this.#set('sourceAge', age, { collection });
  }

  #collect(source: string, read: () => void): void {
    try {
      read();
    } catch {
      this.#counters.get(metricDefinitions.collectErrors.name)?.inc({ source });
    }
  }

  /** Reads every source and returns the text of the registry and, apart, the proxy's. */
  async render(): Promise<{ readonly agent: string; readonly proxy: string | undefined }> {
    const proxy = await this.#sources.proxy().catch(() => {
      this.#counters.get(metricDefinitions.collectErrors.name)?.inc({ source: 'proxy' });
      return undefined;
    });
    this.#collect('flows', () => this.#collectFlows());
    this.#collect('dns', () => this.#collectDns());
    this.#collect('pairs', () => this.#collectPairs());
    this.#collect('audited', () => this.#rows('audited', this.#sources.audited()));
    this.#collect('otlp', () => this.#rows('otlpExported', this.#sources.otlp()));
    this.#collect('kernel', () => this.#collectKernel());
    this.#collect('requests', () => this.#collectRequests());
    this.#collect('inline', () => this.#collectInline());
    this.#collect('boost', () => this.#collectBoost());
    this.#collect('control', () => this.#collectControl());
    return { agent: await this.registry.metrics(), proxy };
  }

  /** The same as one, each family once. */
  async families(): Promise<Families> {
    const { agent, proxy } = await this.render();
    return mergedFamilies(agent, proxy);
  }
}

function byOutcome(counts: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(counts).map(([outcome, value]) => ({ labels: { outcome }, value }));
}
