// SPDX-License-Identifier: Apache-2.0
import { type HrTime, ValueType } from '@opentelemetry/api';
import {
  AggregationTemporality,
  type DataPoint,
  DataPointType,
  type Histogram,
  type MetricData,
} from '@opentelemetry/sdk-metrics';
import { type Families, type Family, type Sample, sampleOf } from '../metrics/families.ts';

/**
 * When totals began is not known: those of the kernel are older than the agent. OTLP has zero for that, and receivers
 * tell a reset by a total that falls, as Prometheus does.
 */
const UNKNOWN_START: HrTime = [0, 0];

type Labels = Sample['labels'];

function samplesOf({ samples }: Family): readonly Sample[] {
  return samples.map(sampleOf).filter((sample) => sample !== undefined);
}

/** As the name says, in the words of UCUM. */
function unitOf(name: string): string {
  if (/_seconds(_total)?$/.test(name)) return 's';
  return /_bytes(_total)?$/.test(name) ? 'By' : '';
}

function point<Value>(labels: Labels, value: Value, now: HrTime): DataPoint<Value> {
  return { startTime: UNKNOWN_START, endTime: now, attributes: labels, value };
}

interface Series {
  readonly labels: Labels;
  /** Upper bounds of all buckets but the last. */
  readonly boundaries: number[];
  /** Not cumulative. */
  readonly counts: number[];
  seen: number;
  sum: number;
}

/** Puts the lines of each series together: buckets in order of their bounds, as they are written. */
function histogramPoints(family: Family, now: HrTime): DataPoint<Histogram>[] {
  const found = new Map<string, Series>();
  for (const { name, labels: all, value } of samplesOf(family)) {
    const { le, ...labels } = all;
    const key = Object.values(labels).join('\n');
    let series = found.get(key);
    if (series === undefined)
      found.set(key, (series = { labels, boundaries: [], counts: [], seen: 0, sum: 0 }));
    if (name.endsWith('_sum')) series.sum = value;
    if (le === undefined) continue;
    if (le !== '+Inf') series.boundaries.push(Number(le));
    series.counts.push(value - series.seen);
    series.seen = value;
  }
  return [...found.values()].map(({ labels, boundaries, counts, seen, sum }) =>
    point(labels, { buckets: { boundaries, counts }, sum, count: seen }, now),
  );
}

function dataOf(family: Family, now: HrTime): MetricData {
  const { name, help, type } = family;
  const common = {
    descriptor: { name, description: help, unit: unitOf(name), valueType: ValueType.DOUBLE },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  };
  if (type === 'histogram')
    return { ...common, dataPointType: DataPointType.HISTOGRAM, dataPoints: histogramPoints(family, now) };
  const dataPoints = samplesOf(family)
    .filter(({ value }) => !Number.isNaN(value))
    .map(({ labels, value }) => point(labels, value, now));
  return type === 'counter'
    ? { ...common, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints }
    : { ...common, dataPointType: DataPointType.GAUGE, dataPoints };
}

/** What a scrape shows, as OTLP has it: names and labels are the same, so that queries are, too. */
export function metricsOf(families: Families, now: HrTime): readonly MetricData[] {
  return [...families.values()]
    .map((family) => dataOf(family, now))
    .filter(({ dataPoints }) => dataPoints.length > 0);
}
