// SPDX-License-Identifier: Apache-2.0
import { collect } from './load.ts';
import type { BenchPath } from './path.ts';

/** A port that no policy of the bench allows. */
const FORBIDDEN_PORT = 9;

/** Sees to it that a path enforces what its row says: a proxy that refuses nothing would be fast for nothing. */
export async function checkArmed(path: BenchPath, signal: AbortSignal): Promise<void> {
  await expectStatus(path, 'GET', '/', 200, signal);
  if (path.isRuled) {
    await expectStatus(path, 'GET', '/admin', 403, signal);
    await expectStatus(path, 'DELETE', '/', 403, signal);
  }
  if (path.name !== 'direct') return;
  const host = path.authority.split(':')[0] ?? '';
  const command = `curl -sv --max-time 5 http://${host}:${FORBIDDEN_PORT}/ 2>&1 || true`;
  const output = await collect(path.start(['sh', '-c', command]), signal);
  if (!output.includes('Operation not permitted')) {
    throw new Error(
      `direct: port ${FORBIDDEN_PORT} is forbidden by policy, but connect was not refused:\n${output}`,
    );
  }
}

async function expectStatus(
  path: BenchPath,
  method: string,
  target: string,
  expected: number,
  signal: AbortSignal,
): Promise<void> {
  const url = `http://${path.authority}${target}`;
  const flags = ['-s', '-o', '/dev/null', '-w', '%{http_code}', '--max-time', '5', '-X', method];
  const status = await collect(path.start(['curl', ...flags, url]), signal);
  if (Number(status) !== expected) {
    throw new Error(
      `${path.name}: ${method} ${target} got ${status}, not ${expected}: the rule is not armed as meant`,
    );
  }
}
