// SPDX-License-Identifier: Apache-2.0
import type { Direction } from '../policy/rule-ref.ts';

/** Where a resource was written, so that a flow can be traced to the line that decided it. Lines count from 1. */
export interface Origin {
  /** As the source named it: relative to the folder for a folder of files. */
  readonly file: string;
  /** Line of the document's first field. */
  readonly line: number;
  readonly column: number;
  /** Lines of `spec.ingress` and `spec.egress` and of each of their rules. */
  readonly directions: Readonly<
    Partial<Record<Direction, { readonly line: number; readonly rules: readonly number[] }>>
  >;
}
