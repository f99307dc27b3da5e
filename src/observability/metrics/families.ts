// SPDX-License-Identifier: Apache-2.0

/** A metric with all its series, as they stand in Prometheus text. */
export interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  /** Lines without a time stamp: neither the agent nor the proxy gives one. */
  readonly samples: string[];
}

export type Families = ReadonlyMap<string, Family>;

/** A line of Prometheus text. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const HEADER = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) ?(.*)$/;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)/s;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g;
const infinities: Readonly<Record<string, number>> = { '+Inf': Infinity, '-Inf': -Infinity };

/** A sample with this label says by itself whose it is. */
const OWNER = 'path_mode';

/** Cuts Prometheus text into families: a header and the samples up to the next. */
export function familiesOf(text: string): Map<string, Family> {
  const found = new Map<string, { -readonly [Key in keyof Family]: Family[Key] }>();
  let current: { -readonly [Key in keyof Family]: Family[Key] } | undefined;
  for (const line of text.split('\n')) {
    if (line === '') continue;
    if (!line.startsWith('#')) {
      current?.samples.push(line);
      continue;
    }
    const [, what, name, rest = ''] = HEADER.exec(line) ?? [];
    if (name === undefined) continue;
    current = found.get(name) ?? { name, type: 'unknown', help: '', samples: [] };
    found.set(name, current);
    if (what === 'HELP') current.help = rest;
    else current.type = rest;
  }
  return found;
}

/** Reads a line of samples; undefined: it is none. */
export function sampleOf(line: string): Sample | undefined {
  const [, name, inner = '', value = ''] = SAMPLE.exec(line) ?? [];
  if (name === undefined) return undefined;
  const labels = [...inner.matchAll(LABEL)].map(([, label = '', text = '']) => [label, unescaped(text)]);
  return {
    name,
    labels: Object.fromEntries(labels) as Record<string, string>,
    value: infinities[value] ?? Number(value),
  };
}

function unescaped(text: string): string {
  return text.includes('\\')
    ? text.replace(/\\(.)/gs, (_, character: string) => (character === 'n' ? '\n' : character))
    : text;
}

/** Adds a label to a sample line that does not have it. */
function labelled(sample: string, label: string, value: string): string {
  const match = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{.*\})?( .*)$/s.exec(sample);
  if (match === null) return sample;
  const [, name = '', labels = '{}', rest = ''] = match;
  if (labels.includes(`${label}="`) || labels.includes(`${OWNER}="`)) return sample;
  const inner = labels.slice(1, -1);
  return `${name}{${inner}${inner === '' ? '' : ','}${label}="${value}"}${rest}`;
}

/**
 * One exposition out of the agent's and the proxy's. Where both have a family, it appears once and the proxy's
 * samples carry `component="proxy"`, unless `path_mode` tells them apart already, so that no series appears twice.
 */
export function mergedFamilies(agent: string, proxy: string | undefined): Families {
  const merged = familiesOf(agent);
  for (const [name, family] of familiesOf(proxy ?? '')) {
    const known = merged.get(name);
    if (known === undefined) merged.set(name, family);
    else known.samples.push(...family.samples.map((sample) => labelled(sample, 'component', 'proxy')));
  }
  return merged;
}

/** Prometheus' own text format. */
export function prometheusText(families: Families): string {
  return [...families.values()]
    .flatMap(({ name, help, type, samples }) => [
      `# HELP ${name} ${help}`,
      `# TYPE ${name} ${type}`,
      ...samples,
      '',
    ])
    .join('\n');
}
