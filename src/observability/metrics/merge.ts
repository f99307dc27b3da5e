// SPDX-License-Identifier: Apache-2.0

interface Family {
  readonly name: string;
  readonly header: string[];
  readonly samples: string[];
}

const HEADER = /^# (?:HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*)/;

/** Cuts Prometheus text into families: a header and the samples up to the next. */
function families(text: string): Map<string, Family> {
  const found = new Map<string, Family>();
  let current: Family | undefined;
  for (const line of text.split('\n')) {
    if (line === '' || line === '# EOF') continue;
    const name = HEADER.exec(line)?.[1];
    if (name !== undefined) {
      current = found.get(name) ?? { name, header: [], samples: [] };
      found.set(name, current);
      current.header.push(line);
    } else if (!line.startsWith('#')) current?.samples.push(line);
  }
  return found;
}

/** A sample with this label says by itself whose it is. */
const OWNER = 'path_mode';

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
export function mergeExpositions(agent: string, proxy: string): string {
  const merged = families(agent);
  for (const [name, family] of families(proxy)) {
    const known = merged.get(name);
    if (known === undefined) merged.set(name, family);
    else known.samples.push(...family.samples.map((sample) => labelled(sample, 'component', 'proxy')));
  }
  return [...merged.values()].flatMap(({ header, samples }) => [...header, ...samples, '']).join('\n');
}
