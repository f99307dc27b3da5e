// SPDX-License-Identifier: Apache-2.0

/** What a fault was about, in the terms of the person who has to act on it. */
export interface ErrorDetail {
  /** The object concerned: a file, a map, a workload, an address. */
  readonly object?: string;
  /** What the person can do about it. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/** A fault with a stable code. Codes are `ERR_` followed by capitals and never change meaning. */
export class PerigeeError extends Error {
  readonly code: string;
  readonly object: string | undefined;
  readonly hint: string | undefined;

  constructor(code: string, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = 'PerigeeError';
    this.code = code;
    this.object = detail.object;
    this.hint = detail.hint;
  }
}

/** What a fault says for itself: anything may be thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
