// SPDX-License-Identifier: Apache-2.0
import type * as z from 'zod';

/** What a check that spans fields reports; the path is relative to the object checked. */
export interface Finding {
  readonly path: readonly (string | number)[];
  readonly message: string;
  readonly hint?: string;
}

/** Turns a function that lists findings into a check for zod's `.check`. */
export function findings<T>(find: (value: T) => Iterable<Finding>): z.core.CheckFn<T> {
  return (context) => {
    for (const { path, message, hint } of find(context.value)) {
      const params = hint === undefined ? {} : { hint };
      context.issues.push({ code: 'custom', input: context.value, path: [...path], message, params });
    }
  };
}
