// SPDX-License-Identifier: Apache-2.0

/** A dashboard, as little of it as a person has to say. */
export interface Board {
  readonly uid: string;
  readonly title: string;
  readonly variables: readonly Variable[];
  readonly rows: readonly { readonly title: string; readonly panels: readonly Panel[] }[];
}

interface Variable {
  readonly name: string;
  readonly label: string;
  readonly query: string;
}

interface Panel {
  readonly title: string;
  readonly help: string;
  readonly kind?: 'timeseries' | 'table' | 'stat';
  /** Grafana's name of a unit. Default: a plain number. */
  readonly unit?: string;
  /** No data is good news, or means that nobody asked for it; the panel says "none" then. */
  readonly quiet?: boolean;
  readonly queries: readonly { readonly expression: string; readonly legend: string }[];
}

const COLUMNS = 24;
const ACROSS = 3;
const HEIGHT = 8;
const datasource = { type: 'prometheus', uid: '$datasource' };

function targetsOf({ kind, queries }: Panel): object[] {
  return queries.map(({ expression, legend }, index) => ({
    refId: String.fromCharCode(65 + index),
    datasource,
    expr: expression,
    legendFormat: legend,
    ...(kind === 'table' ? { format: 'table' } : {}),
    ...(kind === 'table' || kind === 'stat' ? { instant: true } : {}),
  }));
}

function panelOf(panel: Panel, id: number, x: number, y: number): object {
  const { title, help, kind = 'timeseries', unit = 'short', quiet = false } = panel;
  const defaults = { unit, min: 0, ...(quiet ? { noValue: 'none' } : {}) };
  const legend = { displayMode: 'list', placement: 'bottom', showLegend: true };
  return {
    ...{ id, title, description: help, type: kind, datasource },
    gridPos: { x, y, w: COLUMNS / ACROSS, h: HEIGHT },
    fieldConfig: { defaults, overrides: [] },
    options: kind === 'timeseries' ? { legend, tooltip: { mode: 'multi', sort: 'desc' } } : {},
    ...(kind === 'table'
      ? { transformations: [{ id: 'organize', options: { excludeByName: { Time: true } } }] }
      : {}),
    targets: targetsOf(panel),
  };
}

function panelsOf(rows: Board['rows']): object[] {
  const all: object[] = [];
  let y = 0;
  for (const { title, panels } of rows) {
    all.push({
      ...{ id: all.length + 1, type: 'row', title, collapsed: false, panels: [] },
      gridPos: { x: 0, y, w: COLUMNS, h: 1 },
    });
    y += 1;
    for (const [index, panel] of panels.entries()) {
      const x = (index % ACROSS) * (COLUMNS / ACROSS);
      all.push(panelOf(panel, all.length + 1, x, y + Math.floor(index / ACROSS) * HEIGHT));
    }
    y += Math.ceil(panels.length / ACROSS) * HEIGHT;
  }
  return all;
}

function variableOf({ name, label, query }: Variable): object {
  return {
    ...{ name, label, query, type: 'query', datasource, refresh: 2, sort: 1 },
    ...{ includeAll: true, multi: true, allValue: '.*' },
    current: { selected: true, text: ['All'], value: ['$__all'] },
  };
}

/** What Grafana imports, from version 9 on. */
export function grafanaBoard(board: Board): object {
  const source = { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus' };
  return {
    uid: board.uid,
    title: board.title,
    tags: ['perigee'],
    ...{ schemaVersion: 37, version: 1, editable: true, graphTooltip: 1, refresh: '30s', timezone: '' },
    time: { from: 'now-1h', to: 'now' },
    annotations: { list: [] },
    links: [{ type: 'dashboards', tags: ['perigee'], title: 'Perigee', asDropdown: false, keepTime: true }],
    templating: { list: [source, ...board.variables.map(variableOf)] },
    panels: panelsOf(board.rows),
  };
}
