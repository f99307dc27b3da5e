// SPDX-License-Identifier: Apache-2.0

/** What people write who know another API's word for the same thing. */
const SYNONYMS: Readonly<Record<string, readonly string[]>> = {
  ipBlock: ['cidrs'],
  cidr: ['cidrs', 'ipBlock'],
  cidrs: ['ipBlock'],
  ports: ['to'],
  rules: ['ingress'],
  podSelector: ['selector'],
  selector: ['podSelector'],
  serviceAccountName: ['serviceAccount'],
  method: ['methods'],
  paths: ['path'],
};

/** The candidate that the word is most likely a slip for; undefined if none is near. */
export function didYouMean(word: string, candidates: readonly string[]): string | undefined {
  const limit = Math.max(1, Math.floor(word.length / 3));
  let best: { candidate: string; cost: number } | undefined;
  for (const candidate of candidates) {
    const cost = editDistance(word.toLowerCase(), candidate.toLowerCase(), limit);
    if (cost <= limit && (best === undefined || cost < best.cost)) best = { candidate, cost };
  }
  if (best !== undefined) return best.candidate;
  const synonyms = Object.hasOwn(SYNONYMS, word) ? (SYNONYMS[word] ?? []) : [];
  return synonyms.find((synonym) => candidates.includes(synonym));
}

/** Insertions, deletions, substitutions and swaps of neighbours; anything above the limit is `limit + 1`. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(at(last, j) + 1, at(row, j - 1) + 1, at(last, j - 1) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, at(beforeLast, j - 2) + 1);
      }
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return Math.min(at(last, b.length), limit + 1);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Infinity;
}
