// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { text } from 'node:stream/consumers';

/** Requests that are under way at once. */
const AT_ONCE = 24;

/** A client of the API server that keeps its connections: thousands of objects are made and changed by it. */
export class ApiClient {
  readonly #server: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #agent: Agent;

  /** @param kubeconfig as `make cluster-up` writes it */
  constructor(kubeconfig: string) {
    const file = readFileSync(kubeconfig, 'utf8');
    const field = (name: string): string => new RegExp(`${name}: "?([^"},\\s]+)`).exec(file)?.[1] ?? '';
    this.#server = field('server');
    this.#headers = { authorization: `Bearer ${field('token')}` };
    const ca = Buffer.from(field('certificate-authority-data'), 'base64');
    this.#agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE, ca });
  }

  /** @param type of the body. @returns the answer; throws on any other status than 2xx and those of `fine` */
  async send(
    method: string,
    path: string,
    body?: object,
    {
      type = 'application/json',
      fine = [],
    }: { readonly type?: string; readonly fine?: readonly number[] } = {},
  ): Promise<string> {
    const sent = body === undefined ? '' : JSON.stringify(body);
    const headers = { ...this.#headers, 'content-type': type, 'content-length': Buffer.byteLength(sent) };
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const asking = request(`${this.#server}${path}`, { method, headers, agent: this.#agent }, (response) => {
      const { statusCode = 0 } = response;
      const isFine = (statusCode >= 200 && statusCode < 300) || fine.includes(statusCode);
      text(response).then((answer) => {
        if (isFine) resolve(answer);
        else reject(new Error(`${method} ${path}: ${String(statusCode)} ${answer}`));
      }, reject);
    });
    asking.once('error', reject);
    asking.end(sent);
    return promise;
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** Does something for each of many, as many at once as connections are kept. */
export async function forEach<T>(items: readonly T[], action: (item: T) => Promise<unknown>): Promise<void> {
  const left = items.values();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (const item of left) await action(item);
    }),
  );
}
