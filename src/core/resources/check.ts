// SPDX-License-Identifier: Apache-2.0
import type * as z from 'zod';

/** What a check that spans fields reports; the path is relative to the object checked. */
export interface Finding {
  readonly path: readonly (string | number)[];
  readonly message: string;
  readonly hint?: string;
}

/** A condition in CEL, the API server's language, and what it says of a value that breaks it. */
export interface CelRule {
  readonly rule: string;
  readonly message: string;
}

/**
 * For zod's `.meta`: what a check demands, told to the API server, too, so that it refuses there what would be refused
 * here. A check that CEL can't express, or not within its budget, stays with the reader alone.
 */
export function cel(...rules: CelRule[]): { readonly 'x-kubernetes-validations': readonly CelRule[] } {
  return { 'x-kubernetes-validations': rules };
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
