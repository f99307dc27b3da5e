// SPDX-License-Identifier: Apache-2.0
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { UiEdge, UiRefusal } from '../model.ts';
import { bytes, duration, mood, pathsText, rate, share, time, tried } from './format.ts';
import { keyOf } from './map.tsx';

interface Column {
  readonly title: string;
  readonly value: (edge: UiEdge) => number;
  readonly text: (edge: UiEdge, seconds: number) => string;
}

const columns: readonly Column[] = [
  { title: 'Req/s', value: ({ requests }) => requests, text: ({ requests }, s) => rate(requests, s) },
  {
    title: 'Conn/s',
    value: ({ connections }) => connections,
    text: ({ connections }, s) => rate(connections, s),
  },
  {
    title: 'Errors',
    value: (edge) => edge.errors / Math.max(1, tried(edge)),
    text: (edge) => share(edge.errors, tried(edge)),
  },
  {
    title: 'Refused',
    value: ({ denied }) => denied,
    text: ({ denied }) => (denied === 0 ? '–' : String(denied)),
  },
  { title: 'p50', value: ({ p50 = 0 }) => p50, text: ({ p50 }) => duration(p50) },
  { title: 'p99', value: ({ p99 = 0 }) => p99, text: ({ p99 }) => duration(p99) },
  {
    title: 'Bytes/s',
    value: (edge) => edge.bytes,
    text: (edge, s) => (edge.bytes === 0 ? '–' : bytes(edge.bytes / s)),
  },
];

/** The map as a table. */
export function EdgeTable(props: {
  readonly edges: readonly UiEdge[];
  readonly seconds: number;
  readonly onChoose: (edge: UiEdge) => void;
}): JSX.Element {
  const { edges, seconds, onChoose } = props;
  const [sort, setSort] = useState('Req/s');
  const column = columns.find(({ title }) => title === sort);
  const sorted = edges.toSorted((a, b) => (column?.value(b) ?? 0) - (column?.value(a) ?? 0));
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">From</th>
          <th scope="col">To</th>
          {columns.map(({ title }) => (
            <th key={title} scope="col" class="number" aria-sort={title === sort ? 'descending' : 'none'}>
              <button type="button" onClick={() => setSort(title)}>
                {title}
                {title === sort ? ' ▾' : ''}
              </button>
            </th>
          ))}
          <th scope="col">Path</th>
        </tr>
      </thead>
      <tbody>
        {sorted.map((edge) => (
          <tr key={keyOf(edge)} class={mood(edge)}>
            <td>
              <button type="button" onClick={() => onChoose(edge)}>
                {edge.source}
              </button>
            </td>
            <td>{edge.destination}</td>
            {columns.map(({ title, text }) => (
              <td key={title} class="number">
                {text(edge, seconds)}
              </td>
            ))}
            <td>{pathsText(edge)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** What policy refuses, and what to do about it. */
export function RefusalTable({ refusals }: { readonly refusals: readonly UiRefusal[] }): JSX.Element {
  if (refusals.length === 0) return <p class="empty">Nothing was refused in this time.</p>;
  return (
    <table>
      <thead>
        <tr>
          <th scope="col" class="number">
            Times
          </th>
          <th scope="col">From</th>
          <th scope="col">To</th>
          <th scope="col">Reason</th>
          <th scope="col">Rule</th>
          <th scope="col">Last</th>
        </tr>
      </thead>
      <tbody>
        {refusals.map((refusal) => (
          <tr key={JSON.stringify([refusal.source, refusal.destination, refusal.reason, refusal.rule])}>
            <td class="number">{refusal.count}</td>
            <td>{refusal.source}</td>
            <td>{refusal.destination}</td>
            <td class="what">
              <strong class="bad">{refusal.reason}</strong>
              <div>{refusal.meaning}.</div>
              <div class="faint">{refusal.action}.</div>
            </td>
            <td class="what">
              {refusal.rule === undefined ? 'none' : `${refusal.rule.policy} / ${refusal.rule.rule}`}
              <div class="faint">{refusal.rule?.place}</div>
            </td>
            <td>{time(refusal.last)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
