// SPDX-License-Identifier: Apache-2.0
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { UiEdge, UiEdgeDetail } from '../model.ts';
import { duration, edgeText, time } from './format.ts';
import { ask } from './ask.ts';

/** An edge: the rules that decided, and its last flows. */
export function Detail(props: {
  readonly edge: UiEdge;
  readonly seconds: number;
  readonly window: number;
  readonly onClose: () => void;
}): JSX.Element {
  const { edge, seconds, window, onClose } = props;
  const { source, destination } = edge;
  const [detail, setDetail] = useState<UiEdgeDetail>();
  const [problem, setProblem] = useState('');
  const head = useRef<HTMLHeadingElement>(null);
  useEffect(() => head.current?.focus(), [source, destination]);
  useEffect(() => {
    const stop = new AbortController();
    const query = new URLSearchParams({ source, destination, window: String(window) });
    const load = (): void => {
      ask<UiEdgeDetail>(`/api/edge?${query.toString()}`, stop.signal).then(
        (found) => {
          setDetail(found);
          setProblem('');
        },
        (error: unknown) => {
          if (!stop.signal.aborted) setProblem(String(error));
        },
      );
    };
    setDetail(undefined);
    load();
    const timer = setInterval(load, 5000);
    return () => {
      stop.abort();
      clearInterval(timer);
    };
  }, [source, destination, window]);
  return (
    <aside
      aria-label={`${source} to ${destination}`}
      onKeyDown={(event) => {
        if (event.key === 'Escape') onClose();
      }}
    >
      <div class="head">
        <h2 ref={head} tabindex={-1}>
          {source} → {destination}
        </h2>
        <button type="button" onClick={onClose}>
          Close
        </button>
      </div>
      <p>{edgeText(edge, seconds)}</p>
      {problem === '' ? null : <p class="bad">{problem}</p>}
      {detail === undefined ? null : <Rules rules={detail.rules} />}
      {detail === undefined ? null : <Flows flows={detail.flows} />}
    </aside>
  );
}

function Rules({ rules }: Pick<UiEdgeDetail, 'rules'>): JSX.Element {
  return (
    <>
      <h3>Rules that decided</h3>
      {rules.length === 0 ? <p class="faint">None: no rule decided these flows.</p> : null}
      <ul>
        {rules.map((rule) => (
          <li key={JSON.stringify(rule)} class={rule.verdict === 'denied' ? 'bad' : ''}>
            {rule.policy} / {rule.rule} ({rule.direction}, {rule.verdict}, {rule.count})
            <div class="faint">{rule.place}</div>
          </li>
        ))}
      </ul>
    </>
  );
}

function Flows({ flows }: Pick<UiEdgeDetail, 'flows'>): JSX.Element {
  return (
    <>
      <h3>Last flows</h3>
      <table>
        <thead>
          <tr>
            <th scope="col">Time</th>
            <th scope="col">What</th>
            <th scope="col" class="number">
              Took
            </th>
            <th scope="col">Verdict</th>
          </tr>
        </thead>
        <tbody>
          {flows.map((flow, index) => (
            <tr key={`${String(flow.time)} ${String(index)}`}>
              <td>{time(flow.time)}</td>
              <td class="what">
                {flow.what} <span class="faint">:{flow.port}</span>
              </td>
              <td class="number">{flow.duration === 0 ? '–' : duration(flow.duration)}</td>
              <td class={flow.verdict === 'denied' || flow.verdict === 'error' ? 'bad' : ''}>
                {flow.verdict} <span class="faint">{flow.path}</span>
                {flow.reason === 'none' ? null : <div>{flow.reason}</div>}
                {flow.reference === undefined ? null : <code>{flow.reference}</code>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
