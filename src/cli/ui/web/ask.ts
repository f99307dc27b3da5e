// SPDX-License-Identifier: Apache-2.0
import { PerigeeError } from '../../../lib/errors.ts';

/** Asks this page's server. Rejects with what it says. */
export async function ask<Answer>(path: string, signal: AbortSignal): Promise<Answer> {
  const response = await fetch(path, { signal });
  if (!response.ok) throw new PerigeeError('ERR_UI_ANSWER', (await response.text()).trim());
  return (await response.json()) as Answer;
}
