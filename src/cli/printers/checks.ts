// SPDX-License-Identifier: Apache-2.0
import type { CheckResult } from '../../api/ports.ts';
import { columns } from './columns.ts';
import { escapeText } from './escape.ts';
import type { Style } from './style.ts';

function state({ ok, required }: CheckResult, style: Style): string {
  if (ok) return style.good('ok');
  return required ? style.bad('missing') : style.warning('off');
}

/** A table of what this machine can do, and below it what to do about what it can't. */
export function checksText(results: readonly CheckResult[], style: Style): string {
  const rows = results.map((result) => [
    escapeText(result.name),
    state(result, style),
    escapeText(result.detail),
    escapeText(`${result.ok ? '' : 'off: '}${result.gives}`),
  ]);
  const missing = results.filter(({ ok }) => !ok);
  const lines = missing.map(({ name, required, hint }) => {
    const label = `${escapeText(name)} (${required ? 'required' : 'optional'})`;
    return `${required ? style.bad('✗') : style.warning('!')} ${label}: ${escapeText(hint ?? 'no remedy is known')}\n`;
  });
  const failed = missing.filter(({ required }) => required).length;
  const summary =
    failed === 0
      ? `${style.good('✓')} Perigee can run here${missing.length === 0 ? '' : `, without ${missing.length} optional thing${missing.length === 1 ? '' : 's'}`}\n`
      : `${style.bad('✗')} Perigee cannot run here: ${failed} required thing${failed === 1 ? ' is' : 's are'} missing\n`;
  return `${columns([['CAPABILITY', 'STATE', 'FOUND', 'GIVES'], ...rows])}\n${lines.join('')}${summary}`;
}
