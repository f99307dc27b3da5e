// SPDX-License-Identifier: Apache-2.0
import type { Exemplars } from './exemplars.ts';
import { type Families, type Family, sampleOf } from './families.ts';

export const OPEN_METRICS_TYPE = 'application/openmetrics-text; version=1.0.0; charset=utf-8';

/** Whether a scraper that sends this header takes OpenMetrics, and rather than the text that everybody takes. */
export function wantsOpenMetrics(accept: string | undefined): boolean {
  const weight = (type: string): number => {
    const weights = (accept ?? '')
      .split(',')
      .map((range) => range.trim().split(/\s*;\s*/))
      .filter(([name]) => name?.toLowerCase() === type)
      .map((parts) => Number(/^q=(.*)$/.exec(parts.find((part) => part.startsWith('q=')) ?? '')?.[1] ?? 1));
    return Math.max(0, ...weights);
  };
  const wanted = weight('application/openmetrics-text');
  return wanted > 0 && wanted >= weight('text/plain');
}

/** Counters are named without `_total`, which only their samples carry. */
function nameOf({ name, type }: Family): string {
  return type === 'counter' ? name.replace(/_total$/, '') : name;
}

/** A bucket with the request that stands for it. */
class Buckets {
  readonly #exemplars: Exemplars;
  #series = '';
  /** Upper bound of the bucket before, seconds. */
  #from = -Infinity;

  constructor(exemplars: Exemplars) {
    this.#exemplars = exemplars;
  }

  withExemplar(line: string): string {
    const sample = sampleOf(line);
    if (sample?.labels['le'] === undefined) return line;
    const { le, ...labels } = sample.labels;
    const series = Object.values(labels).join('\n');
    if (series !== this.#series) this.#from = -Infinity;
    this.#series = series;
    const to = le === '+Inf' ? Infinity : Number(le);
    const exemplar = this.#exemplars.find(labels, this.#from, to);
    this.#from = to;
    if (exemplar === undefined) return line;
    const { traceId, value, time } = exemplar;
    return `${line} # {trace_id="${traceId}"} ${String(value)} ${String(time)}`;
  }
}

/** OpenMetrics text; buckets of the family `exampled` carry trace ids. */
export function openMetricsText(families: Families, exampled: string, exemplars: Exemplars): string {
  const buckets = new Buckets(exemplars);
  const lines = [...families.values()].flatMap((family) => {
    const name = nameOf(family);
    const help = family.help.replaceAll('"', '\\"');
    const samples =
      family.name === exampled ? family.samples.map((line) => buckets.withExemplar(line)) : family.samples;
    return [`# HELP ${name} ${help}`, `# TYPE ${name} ${family.type}`, ...samples];
  });
  return `${lines.join('\n')}\n# EOF\n`;
}
