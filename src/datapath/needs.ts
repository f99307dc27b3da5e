// SPDX-License-Identifier: Apache-2.0
import type { DesiredRow, DesiredState } from '../core/state/desired.ts';
import { type Hook, type HookNeed, hooks } from './layout.ts';

function asksFor(state: DesiredState, actions: readonly DesiredRow['action'][]): boolean {
  return state.policy.some(({ rows }) => rows.some(({ action }) => actions.includes(action)));
}

/** What the settings ask for beside a state. */
export interface AskedHooks {
  /** Answers of DNS are read wherever there are workloads. */
  readonly names: boolean;
}

/** When each need is there. */
const needs: Readonly<Record<HookNeed, (state: DesiredState, asked: AskedHooks) => boolean>> = {
  datagrams: (state) =>
    state.workloads.some(({ attachment, ingressSelected }) => attachment === 'netns' && ingressSelected),
  names: (state, asked) => asked.names && state.workloads.length > 0,
  inline: (state) => asksFor(state, ['inline', 'visible']),
  proxied: (state) => asksFor(state, ['proxy']),
  services: (state) => state.services.size > 0,
};

/** The hooks attached on demand, by whether the state asks for them. */
export function neededHooks(
  state: DesiredState,
  asked: AskedHooks,
): { readonly wanted: Hook[]; readonly idle: Hook[] } {
  const wanted: Hook[] = [];
  const idle: Hook[] = [];
  for (const hook of hooks) {
    if (hook.needs === undefined) continue;
    (hook.needs.some((need) => needs[need](state, asked)) ? wanted : idle).push(hook);
  }
  return { wanted, idle };
}
