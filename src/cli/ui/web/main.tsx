// SPDX-License-Identifier: Apache-2.0
import { type JSX, render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { type UiEdge, type UiMap, type Window, windows } from '../model.ts';
import { ask } from './ask.ts';
import { Detail } from './detail.tsx';
import { keyOf, ServiceMap } from './map.tsx';
import { EdgeTable, RefusalTable } from './tables.tsx';

const views = ['Map', 'Table', 'Refused'] as const;
const REFRESH_MS = 2000;

function windowText(seconds: number): string {
  return seconds < 60 ? `${String(seconds)} s` : `${String(seconds / 60)} min`;
}

function useMap(
  window: Window,
  isPaused: boolean,
): { readonly map: UiMap | undefined; readonly problem: string } {
  const [map, setMap] = useState<UiMap>();
  const [problem, setProblem] = useState('');
  useEffect(() => {
    if (isPaused) return;
    const stop = new AbortController();
    const load = (): void => {
      ask<UiMap>(`/api/map?window=${String(window)}`, stop.signal).then(
        (found) => {
          setMap(found);
          setProblem(found.problem ?? '');
        },
        (error: unknown) => {
          if (!stop.signal.aborted) setProblem(`perigee ui does not answer: ${String(error)}`);
        },
      );
    };
    load();
    const timer = setInterval(load, REFRESH_MS);
    return () => {
      stop.abort();
      clearInterval(timer);
    };
  }, [window, isPaused]);
  return { map, problem };
}

type View = (typeof views)[number];

function Views(props: {
  readonly view: View;
  readonly refusals: number;
  readonly onView: (view: View) => void;
}): JSX.Element {
  const { view, refusals, onView } = props;
  return (
    <nav aria-label="Views">
      {views.map((name) => (
        <button
          key={name}
          type="button"
          aria-current={name === view ? 'page' : undefined}
          onClick={() => onView(name)}
        >
          {name}
          {name === 'Refused' && refusals > 0 ? ` (${String(refusals)})` : ''}
        </button>
      ))}
    </nav>
  );
}

function Page(): JSX.Element {
  const [window, setWindow] = useState<Window>(60);
  const [view, setView] = useState<View>('Map');
  const [isPaused, setPaused] = useState(false);
  const [search, setSearch] = useState('');
  const [chosenKey, setChosen] = useState('');
  const { map, problem } = useMap(window, isPaused);
  const wanted = search.toLowerCase();
  const isWanted = ({ source, destination }: { source: string; destination: string }): boolean =>
    `${source}\n${destination}`.toLowerCase().includes(wanted);
  const edges = (map?.edges ?? []).filter(isWanted);
  const refusals = (map?.refusals ?? []).filter(isWanted);
  const seconds = map?.seconds ?? 1;
  const chosen = edges.find((edge) => keyOf(edge) === chosenKey);
  const choose = (edge: UiEdge): void => setChosen(keyOf(edge));
  return (
    <>
      <header>
        <h1>Perigee</h1>
        <span class="faint">{map?.node}</span>
        <Views view={view} refusals={refusals.length} onView={setView} />
        <label>
          Last{' '}
          <select
            value={window}
            onChange={(event) =>
              setWindow(windows.find((one) => String(one) === event.currentTarget.value) ?? 60)
            }
          >
            {windows.map((one) => (
              <option key={one} value={one}>
                {windowText(one)}
              </option>
            ))}
          </select>
        </label>
        <button type="button" aria-pressed={isPaused} onClick={() => setPaused(!isPaused)}>
          Pause
        </button>
        <label class="grow">
          Find{' '}
          <input type="search" value={search} onInput={(event) => setSearch(event.currentTarget.value)} />
        </label>
        <span class="faint" role="status">
          {edges.length} {edges.length === 1 ? 'edge' : 'edges'}
          {map !== undefined && map.missed > 0 ? `, ${String(map.missed)} flows missed` : ''}
        </span>
      </header>
      {problem === '' ? null : (
        <div class="problem" role="alert">
          {problem}
        </div>
      )}
      <main>
        <div class="view">
          {view === 'Refused' ? (
            <RefusalTable refusals={refusals} />
          ) : edges.length === 0 ? (
            <p class="empty">{map === undefined ? 'Asking the agent…' : 'No flows in this time.'}</p>
          ) : view === 'Map' ? (
            <ServiceMap edges={edges} seconds={seconds} chosen={chosen} onChoose={choose} />
          ) : (
            <EdgeTable edges={edges} seconds={seconds} onChoose={choose} />
          )}
        </div>
        {chosen === undefined ? null : (
          <Detail edge={chosen} seconds={seconds} window={window} onClose={() => setChosen('')} />
        )}
      </main>
    </>
  );
}

const root = document.getElementById('app');
if (root !== null) render(<Page />, root);
