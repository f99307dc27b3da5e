// SPDX-License-Identifier: Apache-2.0
import { GUARDED } from './grammar.ts';

/**
 * Names that must not come as trailers, as `foldName` has them: first those of `GUARDED`, then those that policy reads
 * as headers.
 */
export function forbiddenTrailers(read: readonly string[]): readonly string[] {
  return [...GUARDED, ...read].map(foldName);
}

/** Names compare without case and with underscores as dashes, as CGI-like servers fold them. */
export function foldName(name: string): string {
  return name.toLowerCase().replaceAll('_', '-');
}
