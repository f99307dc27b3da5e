// SPDX-License-Identifier: Apache-2.0
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { type RequestOptions, request as requestHttps } from 'node:https';
import { PassThrough, type Readable, type Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { Exec, KubeConfig } from '@kubernetes/client-node';
import { PerigeeError } from '../../lib/errors.ts';
import type { ConnectionFlags } from '../agents.ts';

const ANSWER_MS = 15_000;

/** A pod, as far as the command line needs it. */
export interface PodObject {
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly spec: { readonly nodeName?: string };
  readonly status?: { readonly phase?: string };
}

/** The API server that a person's kubeconfig leads to. Loading this file costs half a second. */
export class Kube {
  readonly #config = new KubeConfig();
  readonly #server: string;
  /** Of the context: where names are looked for that name no namespace. */
  readonly namespace: string;
  /** Name of the context. */
  readonly context: string;

  constructor({ kubeconfig, context }: Pick<ConnectionFlags, 'kubeconfig' | 'context'>) {
    const config = this.#config;
    const object = kubeconfig ?? process.env['KUBECONFIG'] ?? '~/.kube/config';
    try {
      if (kubeconfig === undefined) config.loadFromDefault();
      else config.loadFromFile(kubeconfig);
    } catch (cause) {
      const hint = 'Name one with --kubeconfig or KUBECONFIG';
      throw new PerigeeError('ERR_KUBECONFIG', `the kubeconfig ${object} can't be read`, {
        object,
        cause,
        hint,
      });
    }
    if (context !== undefined) {
      if (config.getContextObject(context) === null)
        throw new PerigeeError('ERR_KUBECONFIG', `there is no context called ${context}`, {
          object,
          hint: `One of ${config
            .getContexts()
            .map(({ name }) => name)
            .join(', ')}`,
        });
      config.setCurrentContext(context);
    }
    this.context = config.getCurrentContext();
    this.namespace = config.getContextObject(this.context)?.namespace ?? 'default';
    const server = config.getCurrentCluster()?.server;
    if (server === undefined)
      throw new PerigeeError('ERR_KUBECONFIG', `${object} names no cluster`, {
        object,
        hint: 'Choose a context with --context, or `kubectl config use-context`',
      });
    this.#server = server;
  }

  /** The object at a path of the API; undefined: there is none. */
  async get<T>(path: string, query: Readonly<Record<string, string>> = {}): Promise<T | undefined> {
    const url = new URL(this.#server + path);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const options: RequestOptions = {
      signal: AbortSignal.timeout(ANSWER_MS),
      headers: { accept: 'application/json' },
    };
    await this.#config.applyToHTTPSOptions(options);
    const request = url.protocol === 'https:' ? requestHttps : requestHttp;
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request(url, options, resolve).once('error', reject).end();
    }).catch((cause: unknown) => {
      const hint = 'Look whether kubectl reaches it';
      throw new PerigeeError('ERR_API_SERVER', "the API server can't be reached", {
        object: this.#server,
        cause,
        hint,
      });
    });
    const body = await text(response);
    const { statusCode = 0 } = response;
    if (statusCode === 404) return undefined;
    if (statusCode < 200 || statusCode > 299)
      throw new PerigeeError('ERR_API_SERVER', refusalOf(body) ?? `HTTP ${String(statusCode)} for ${path}`, {
        object: this.#server,
        hint: 'Ask whoever runs the cluster for this right, or choose another context with --context',
      });
    return JSON.parse(body) as T;
  }

  async pods(namespace: string, labelSelector: string): Promise<readonly PodObject[]> {
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`;
    const list = await this.get<{ readonly items: readonly PodObject[] }>(path, { labelSelector });
    return list?.items ?? [];
  }

  /** Runs a command in an agent's pod between two streams. Resolves when it has started; `ended` gets what it said. */
  async exec(
    { metadata: { name, namespace } }: PodObject,
    command: readonly string[],
    input: Readable,
    output: Writable,
    ended: (problem: string) => void,
  ): Promise<{ close(): void }> {
    const errors = new PassThrough();
    let said = '';
    errors.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    const parts = [namespace, name, 'agent', [...command] as string[], output, errors, input] as const;
    // The package's type of it comes from a package of types that isn't among its dependencies.
    const connection = (await new Exec(this.#config).exec(...parts, false, ({ message }) =>
      ended(said.trim() || (message ?? '')),
    )) as unknown as { close(): void; onclose: (() => void) | null };
    connection.onclose = () => ended(said.trim());
    return connection;
  }
}

function refusalOf(body: string): string | undefined {
  try {
    const { message } = JSON.parse(body) as { readonly message?: string };
    return message;
  } catch {
    return undefined;
  }
}
