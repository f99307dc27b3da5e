// SPDX-License-Identifier: Apache-2.0
import { forceCollide, forceLink, forceSimulation, forceX, forceY, type SimulationNodeDatum } from 'd3-force';
import type { UiEdge } from '../model.ts';

export interface Place extends SimulationNodeDatum {
  readonly name: string;
  /** Hops from where requests begin. */
  layer: number;
  x: number;
  y: number;
}

export const BOX = { width: 150, height: 30 } as const;
const LAYER_WIDTH = 290;
const ROW_HEIGHT = 54;
const COLUMN_WIDTH = 175;
/** Of a layer, before it takes a second column. */
const MIN_ROWS = 12;
const TICKS = 150;

/** Callers left of whom they call; what calls in circles stays where it was met first. */
function layersOf(names: readonly string[], edges: readonly UiEdge[]): Map<string, number> {
  const callees = Map.groupBy(edges, ({ source }) => source);
  const called = new Set(edges.map(({ destination }) => destination));
  const layers = new Map<string, number>();
  let front = names.filter((name) => !called.has(name));
  for (let layer = 0; layers.size < names.length; layer += 1) {
    // A circle that nobody calls from outside begins somewhere.
    if (front.length === 0) front = names.filter((name) => !layers.has(name)).slice(0, 1);
    for (const name of front) layers.set(name, layer);
    const next = front.flatMap((name) => (callees.get(name) ?? []).map(({ destination }) => destination));
    front = [...new Set(next)].filter((name) => !layers.has(name));
  }
  return layers;
}

/** Places for all names. Those that were there before start where they were, so that the map doesn't jump. */
export function placesOf(edges: readonly UiEdge[], before: ReadonlyMap<string, Place>): Map<string, Place> {
  const names = [...new Set(edges.flatMap(({ source, destination }) => [source, destination]))].toSorted();
  const layers = layersOf(names, edges);
  const rows = new Map<number, number>();
  const places = names.map((name): Place => {
    const layer = layers.get(name) ?? 0;
    const row = rows.get(layer) ?? 0;
    rows.set(layer, row + 1);
    const known = before.get(name);
    return { name, layer, x: known?.x ?? layer * LAYER_WIDTH, y: known?.y ?? row * ROW_HEIGHT };
  });
  const tallest = Math.max(0, ...rows.values());
  const links = edges
    .filter(({ source, destination }) => source !== destination)
    .map(({ source, destination }) => ({ source, destination, target: destination }));
  forceSimulation(places)
    .force('x', forceX<Place>(({ layer }) => layer * LAYER_WIDTH).strength(1))
    .force('y', forceY<Place>((tallest * ROW_HEIGHT) / 2).strength(0.02))
    .force(
      'links',
      forceLink<Place, { source: string; target: string }>(links)
        .id(({ name }) => name)
        .distance(LAYER_WIDTH)
        .strength(0.1),
    )
    .force('room', forceCollide<Place>(ROW_HEIGHT / 2 + 2).iterations(3))
    .stop()
    .tick(TICKS);
  arrange(places);
  return new Map(places.map((place) => [place.name, place]));
}

/** Boxes never lie on each other; a layer that is too tall for the whole to be seen takes several columns. */
function arrange(places: readonly Place[]): void {
  const rows = Math.max(MIN_ROWS, Math.ceil(Math.sqrt((places.length * LAYER_WIDTH) / ROW_HEIGHT / 2)));
  const layers = Map.groupBy(places, ({ layer }) => layer);
  let x = 0;
  for (const [, layer] of [...layers].toSorted(([a], [b]) => a - b)) {
    const sorted = layer.toSorted((a, b) => a.y - b.y || (a.name < b.name ? -1 : 1));
    const columns = Math.ceil(sorted.length / rows);
    const perColumn = Math.ceil(sorted.length / columns);
    let least = Number.NEGATIVE_INFINITY;
    for (const [index, place] of sorted.entries()) {
      const row = index % perColumn;
      if (columns > 1) place.y = row * ROW_HEIGHT;
      else place.y = Math.max(place.y, least);
      least = place.y + ROW_HEIGHT;
      place.x = x + Math.floor(index / perColumn) * COLUMN_WIDTH;
    }
    const middle = sorted.reduce((sum, { y }) => sum + y, 0) / sorted.length;
    for (const place of sorted) place.y += (rows * ROW_HEIGHT) / 2 - middle;
    x += (columns - 1) * COLUMN_WIDTH + LAYER_WIDTH;
  }
}
