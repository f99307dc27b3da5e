// SPDX-License-Identifier: Apache-2.0
import type { DesiredState } from '../core/state/desired.ts';
import type { InlineOff } from '../datapath/inline/inline-path.ts';

/** Some HTTP policy in force is such that the kernel could decide it. */
export function wantsInline({ policy }: DesiredState): boolean {
  return policy.some(({ rows }) => rows.some(({ table }) => table !== undefined));
}

export function inlineOffText({ message }: InlineOff): string {
  return `HTTP policy that the kernel could decide goes to the proxy: ${message}`;
}
