// SPDX-License-Identifier: Apache-2.0
import { get, kubectl, start } from './cluster.ts';

/** A pod that asks, and whom. */
export interface ClusterClient {
  readonly namespace: string;
  readonly name: string;
  /** Address and port. */
  readonly address: string;
}

/** Statuses of requests to paths, each as often as it came, while something is done. */
export async function answersDuring(
  work: Promise<unknown>,
  { namespace, name, address }: ClusterClient,
  ...paths: readonly string[]
): Promise<Map<string, number>> {
  const answers = new Map<string, number>();
  let isDone = false;
  const done = work.finally(() => {
    isDone = true;
  });
  const ask = (path: string): void => {
    const answer = `${path} ${String(get(namespace, name, address, path).status)}`;
    answers.set(answer, (answers.get(answer) ?? 0) + 1);
  };
  while (!isDone) {
    paths.forEach(ask);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await done;
  return answers;
}

/** Two requests over one connection, the second when the pod is told to go on. */
export function heldConnection(
  { namespace, name, address }: ClusterClient,
  path: string,
): { readonly answers: Promise<string>; readonly goOn: () => void } {
  const request = (last: boolean): string =>
    `printf 'GET ${path} HTTP/1.1\\r\\nHost: test\\r\\n${last ? 'Connection: close\\r\\n' : ''}\\r\\n'`;
  const wait = 'until [ -e /dev/shm/go ]; do sleep 0.1; done';
  const command = `(${request(false)}; ${wait}; ${request(true)}) | nc ${address.replace(':', ' ')}`;
  const inside = ['-n', namespace, 'exec', name, '--'];
  return {
    answers: start('kubectl', ...inside, 'sh', '-c', command),
    goOn: () => kubectl(...inside, 'sh', '-c', ': > /dev/shm/go'),
  };
}
