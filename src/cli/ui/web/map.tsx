// SPDX-License-Identifier: Apache-2.0
import type { JSX, RefObject } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { UiEdge } from '../model.ts';
import { edgeText, mainPath, mood, rate } from './format.ts';
import { BOX, type Place, placesOf } from './layout.ts';

export interface MapProps {
  readonly edges: readonly UiEdge[];
  readonly seconds: number;
  readonly chosen: UiEdge | undefined;
  readonly onChoose: (edge: UiEdge) => void;
}

interface Size {
  readonly width: number;
  readonly height: number;
}

interface Camera {
  readonly x: number;
  readonly y: number;
  readonly scale: number;
}

/** More labels than this hide what they name. */
const MAX_LABELS = 80;
const MARGIN = 40;

export function keyOf({ source, destination }: UiEdge): string {
  return JSON.stringify([source, destination]);
}

function curve(from: Place, to: Place): { readonly line: string; readonly x: number; readonly y: number } {
  const [x1, y1] = [from.x + BOX.width, from.y + BOX.height / 2];
  const [x2, y2] = [to.x - 6, to.y + BOX.height / 2];
  if (from === to || from.layer >= to.layer) {
    // Back, or within a column: around below.
    const [startX, endX] = [from.x + BOX.width / 2, to.x + BOX.width / 2];
    const low = Math.max(from.y, to.y) + BOX.height + 26;
    const end = to.y + BOX.height + 6;
    const spread = from === to ? 30 : 0;
    return {
      line: `M${String(startX - spread)},${String(from.y + BOX.height)} C${String(startX - spread)},${String(low)} ${String(endX + spread)},${String(low)} ${String(endX + spread)},${String(end)}`,
      x: (startX + endX) / 2,
      y: low - 8,
    };
  }
  const bend = (x2 - x1) / 2;
  return {
    line: `M${String(x1)},${String(y1)} C${String(x1 + bend)},${String(y1)} ${String(x2 - bend)},${String(y2)} ${String(x2)},${String(y2)}`,
    x: (x1 + x2) / 2,
    y: (y1 + y2) / 2,
  };
}

function EdgeShape(
  props: MapProps & { edge: UiEdge; places: ReadonlyMap<string, Place>; labelled: boolean },
): JSX.Element | null {
  const { edge, places, seconds, chosen, onChoose, labelled } = props;
  const [from, to] = [places.get(edge.source), places.get(edge.destination)];
  if (from === undefined || to === undefined) return null;
  const { line, x, y } = curve(from, to);
  const isChosen = chosen !== undefined && keyOf(chosen) === keyOf(edge);
  const width = 1 + Math.min(5, Math.log10(1 + (10 * Math.max(edge.requests, edge.connections)) / seconds));
  const choose = (): void => onChoose(edge);
  return (
    <g
      class={`edge ${mood(edge)} ${isChosen ? 'chosen' : ''} ${chosen !== undefined && !isChosen ? 'unlit' : ''}`}
      role="button"
      tabindex={0}
      aria-label={edgeText(edge, seconds)}
      aria-pressed={isChosen}
      onClick={choose}
      onKeyDown={(event) => {
        if (event.key !== 'Enter' && event.key !== ' ') return;
        event.preventDefault();
        choose();
      }}
    >
      <path class="hit" d={line} />
      <path class={`line ${mainPath(edge)}`} d={line} stroke-width={width} marker-end="url(#arrow)" />
      {labelled || isChosen ? (
        <text x={x} y={y - 4}>
          {edge.requests > 0
            ? `${rate(edge.requests, seconds)} req/s`
            : `${rate(edge.connections, seconds)} conn/s`}
          {edge.denied > 0 ? ` · ${String(edge.denied)} refused` : ''}
        </text>
      ) : null}
    </g>
  );
}

function cut(text: string, length: number): string {
  const characters = [...text];
  return characters.length <= length ? text : `${characters.slice(0, length - 1).join('')}…`;
}

function NodeShape({ place, isLit }: { readonly place: Place; readonly isLit: boolean }): JSX.Element {
  const slash = place.name.indexOf('/');
  const isAddress = slash === -1 || place.name.includes(' ');
  const [space, name] = isAddress
    ? ['', place.name]
    : [place.name.slice(0, slash), place.name.slice(slash + 1)];
  return (
    <g class={`node ${isLit ? 'lit' : ''}`} transform={`translate(${String(place.x)},${String(place.y)})`}>
      <title>{place.name}</title>
      <rect width={BOX.width} height={BOX.height} rx={6} />
      <text x={10} y={space === '' ? 19 : 14}>
        {cut(name, 22)}
      </text>
      <text class="space" x={10} y={25}>
        {cut(space, 30)}
      </text>
    </g>
  );
}

function cameraFor(places: ReadonlyMap<string, Place>, { width, height }: Size): Camera {
  const all = [...places.values()];
  const left = Math.min(...all.map(({ x }) => x)) - MARGIN;
  const top = Math.min(...all.map(({ y }) => y)) - MARGIN;
  const right = Math.max(...all.map(({ x }) => x)) + BOX.width + MARGIN;
  const bottom = Math.max(...all.map(({ y }) => y)) + BOX.height + MARGIN + 30;
  const scale = Math.min(1.4, width / (right - left), height / (bottom - top));
  return {
    scale,
    x: (width - (left + right) * scale) / 2,
    y: (height - (top + bottom) * scale) / 2,
  };
}

/** The services as boxes, callers left of whom they call, and what goes between them. */
export function ServiceMap(props: MapProps): JSX.Element {
  const { edges, chosen } = props;
  const svg = useRef<SVGSVGElement>(null);
  const known = useRef<ReadonlyMap<string, Place>>(new Map());
  const shape = edges.map(keyOf).toSorted().join('\n');
  // Laid out anew when an edge comes or goes, not when a figure changes.
  const places = useMemo(() => (known.current = placesOf(edges, known.current)), [shape]);
  const [moved, setMoved] = useState<Camera>();
  const size = useSize(svg);
  const fitted = useMemo(() => cameraFor(places, size), [places, size]);
  const camera = moved ?? fitted;
  const drag = useRef<{ x: number; y: number; camera: Camera }>(undefined);

  const zoom = (by: number, x: number, y: number): void => {
    const scale = Math.min(4, Math.max(0.02, camera.scale * by));
    const factor = scale / camera.scale;
    setMoved({ scale, x: x - (x - camera.x) * factor, y: y - (y - camera.y) * factor });
  };
  const middle = (by: number): void => {
    const box = svg.current?.getBoundingClientRect();
    zoom(by, (box?.width ?? 0) / 2, (box?.height ?? 0) / 2);
  };
  const ends = new Set(chosen === undefined ? [] : [chosen.source, chosen.destination]);
  return (
    <>
      <svg
        ref={svg}
        class="map"
        role="group"
        aria-label={`Map of ${String(places.size)} services and ${String(edges.length)} edges; the table has the same`}
        onWheel={(event) => {
          event.preventDefault();
          const box = event.currentTarget.getBoundingClientRect();
          zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, event.clientX - box.left, event.clientY - box.top);
        }}
        onPointerDown={(event) => (drag.current = { x: event.clientX, y: event.clientY, camera })}
        onPointerMove={(event) => {
          const { current } = drag;
          if (current === undefined || event.buttons === 0) return;
          const [dx, dy] = [event.clientX - current.x, event.clientY - current.y];
          if (Math.abs(dx) + Math.abs(dy) > 3)
            setMoved({ ...current.camera, x: current.camera.x + dx, y: current.camera.y + dy });
        }}
        onPointerUp={() => (drag.current = undefined)}
      >
        <Arrow />
        <g transform={`translate(${String(camera.x)},${String(camera.y)}) scale(${String(camera.scale)})`}>
          {edges.map((edge) => (
            <EdgeShape
              key={keyOf(edge)}
              {...props}
              edge={edge}
              places={places}
              labelled={edges.length <= MAX_LABELS}
            />
          ))}
          {[...places.values()].map((place) => (
            <NodeShape key={place.name} place={place} isLit={ends.has(place.name)} />
          ))}
        </g>
      </svg>
      <Legend />
      <div class="zoom">
        <button type="button" aria-label="Zoom in" onClick={() => middle(1.4)}>
          +
        </button>
        <button type="button" aria-label="Zoom out" onClick={() => middle(1 / 1.4)}>
          −
        </button>
        <button type="button" onClick={() => setMoved(undefined)}>
          Fit
        </button>
      </div>
    </>
  );
}

function Legend(): JSX.Element {
  return (
    <div class="legend" aria-hidden="true">
      {(['direct', 'inline', 'proxied'] as const).map((path) => (
        <span key={path} class="edge">
          <svg width="34" height="10">
            <path class={`line ${path}`} d="M0,5 L34,5" stroke-width="2" />
          </svg>{' '}
          {path}{' '}
        </span>
      ))}
      <span class="bad">■ refused or failing</span> <span class="warn">■ audited</span>
    </div>
  );
}

function Arrow(): JSX.Element {
  return (
    <defs>
      <marker
        id="arrow"
        viewBox="0 0 10 10"
        refX="6"
        refY="5"
        markerWidth="9"
        markerHeight="9"
        markerUnits="userSpaceOnUse"
        orient="auto-start-reverse"
      >
        <path d="M0,1 L9,5 L0,9 z" fill="context-stroke" />
      </marker>
    </defs>
  );
}

/** The size of an element; the panel of an edge takes room, too. */
function useSize(element: RefObject<Element | null>): Size {
  const [size, setSize] = useState<Size>({ width: 1000, height: 600 });
  useEffect(() => {
    if (element.current === null) return;
    const observer = new ResizeObserver(([entry]) => {
      if (entry !== undefined) setSize(entry.contentRect);
    });
    observer.observe(element.current);
    return () => observer.disconnect();
  }, []);
  return size;
}
