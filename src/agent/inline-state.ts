// SPDX-License-Identifier: Apache-2.0
import type { DesiredRow, DesiredState } from '../core/state/desired.ts';
import type { InlineOff } from '../datapath/inline/inline-path.ts';

function hasTable({ policy }: DesiredState, actions: readonly DesiredRow['action'][]): boolean {
  return policy.some(({ rows }) =>
    rows.some(({ table, action }) => table !== undefined && actions.includes(action)),
  );
}

/** Some HTTP policy in force is such that the kernel could decide it. */
export function wantsInline(state: DesiredState): boolean {
  return hasTable(state, ['proxy', 'inline']);
}

/** Some workload asks that its requests are seen where no policy reads them. */
export function wantsVisibility(state: DesiredState): boolean {
  return hasTable(state, ['allow']);
}

export function inlineOffText({ message }: InlineOff): string {
  return `HTTP policy that the kernel could decide goes to the proxy: ${message}`;
}

export function visibilityOffText({ message }: InlineOff): string {
  return `requests to workloads that ask to be visible are not seen: ${message}`;
}
