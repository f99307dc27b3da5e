// SPDX-License-Identifier: Apache-2.0
import { PerigeeError, messageOf } from '../../lib/errors.ts';
import { escapeText } from './escape.ts';
import type { Style } from './style.ts';

/** What failed, on what, and what to do. The stack of an unexpected error is shown with PERIGEE_DEBUG=1. */
export function errorText(error: unknown, style: Style, isDebugging: boolean): string {
  const message = messageOf(error);
  const lines = [`${style.bad('perigee:')} ${escapeText(message)}`];
  if (error instanceof PerigeeError) {
    const { object, hint, code } = error;
    if (object !== undefined && !message.includes(object)) lines.push(`  on ${escapeText(object)}`);
    if (hint !== undefined) lines.push(`  → ${escapeText(hint)}`);
    lines.push(style.faint(`  ${code}`));
  } else if (!isDebugging) lines.push(style.faint('  PERIGEE_DEBUG=1 shows where'));
  if (isDebugging && error instanceof Error && error.stack !== undefined) lines.push(error.stack);
  return `${lines.join('\n')}\n`;
}
