// SPDX-License-Identifier: Apache-2.0
import { type ProxyConfig, proxyConfig } from '../core/proxy/config.ts';
import { PerigeeError } from '../lib/errors.ts';

/** A configuration whose references hold, or a fault that says where it is wrong. */
export function parseConfig(json: unknown): ProxyConfig {
  const parsed = proxyConfig.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const where = issue?.path.join('.') ?? '';
    throw new PerigeeError('ERR_PROXY_CONFIG', `${where}: ${issue?.message ?? 'invalid'}`, { object: where });
  }
  for (const verdict of parsed.data.verdicts) {
    if (verdict.automaton !== undefined && verdict.automaton >= parsed.data.automata.length) {
      throw new PerigeeError('ERR_PROXY_CONFIG', `no automaton ${verdict.automaton}`, { object: 'verdicts' });
    }
  }
  return parsed.data;
}
