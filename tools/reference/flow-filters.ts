// SPDX-License-Identifier: Apache-2.0
import { hubbleFilters } from '../../src/api/hubble-filters.ts';
import { markdownTable, page } from './markdown.ts';

export function flowFiltersPage(): string {
  const rows = hubbleFilters.map(({ flags, selects }) => [
    flags.map((flag) => `\`--${flag}\``).join(', '),
    selects,
  ]);
  return page('Filters of flows', 'src/api/hubble-filters.ts', [
    'What the filters of Hubble’s client (`hubble observe --server unix:///run/perigee/agent.sock`) select here, each tried ' +
      'with that client. A filter that flows can’t be told apart by is refused with `INVALID_ARGUMENT`, never ignored.',
    markdownTable(['Filter', 'Selects'], rows),
  ]);
}
