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
    '`perigee observe` has those that select something by the same names, beside its own, `--not` included; `--namespace` and `--workload` ' +
      'are its own, identities are numbers, and names without a namespace are in that of `--namespace`. What no flow can match is an error there.',
    markdownTable(['Filter', 'Selects'], rows),
  ]);
}
