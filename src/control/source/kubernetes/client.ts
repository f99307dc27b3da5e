// SPDX-License-Identifier: Apache-2.0
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { type RequestOptions, request as requestHttps } from 'node:https';
import { text } from 'node:stream/consumers';
import { KubeConfig, Watch } from '@kubernetes/client-node';
import { PerigeeError } from '../../../lib/errors.ts';
import {
  ApiFailure,
  type ApiObject,
  type KubernetesWriter,
  type Page,
  type PatchStep,
  type Query,
  type WatchEvent,
} from './api.ts';

/** How long an answer may take to begin, ms. */
const ANSWER_MS = 30_000;
/** How long a watch may be silent, ms: the server sends a bookmark about once a minute. */
const SILENCE_MS = 180_000;

/**
 * The API server that a kubeconfig file names, or the one of the cluster that this process runs in.
 * Loading this file loads the client's package, which costs time and memory: import it only where it is used.
 */
export function connect(kubeconfig?: string): KubernetesWriter {
  const config = new KubeConfig();
  try {
    if (kubeconfig === undefined) config.loadFromCluster();
    else config.loadFromFile(kubeconfig);
  } catch (cause) {
    throw new PerigeeError(
      'ERR_KUBECONFIG',
      `the access to the API server can't be read from ${kubeconfig ?? 'the service account'}`,
      {
        object: kubeconfig ?? '/var/run/secrets/kubernetes.io/serviceaccount',
        cause,
        hint: 'name a kubeconfig file, or run in a pod with a service account',
      },
    );
  }
  const server = config.getCurrentCluster()?.server;
  if (server === undefined) {
    const object = kubeconfig ?? '';
    throw new PerigeeError('ERR_KUBECONFIG', `${object} names no cluster that is in use`, { object });
  }
  return new Client(config, server);
}

class Client implements KubernetesWriter {
  readonly server: string;
  readonly #config: KubeConfig;

  constructor(config: KubeConfig, server: string) {
    this.#config = config;
    this.server = server;
  }

  async list(path: string, query: Query, signal: AbortSignal): Promise<Page> {
    const url = new URL(this.server + path);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, String(value));
    const body = await this.#request('GET', url, signal);
    const { items, metadata } = JSON.parse(body) as {
      readonly items?: readonly ApiObject[];
      readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
    };
    const next = metadata.continue ?? '';
    return {
      items: items ?? [],
      resourceVersion: metadata.resourceVersion,
      ...(next === '' ? {} : { next }),
    };
  }

  async watch(
    path: string,
    query: Query,
    onEvent: (event: WatchEvent) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const watch = new Watch(this.#config);
    // Its own 30 s are shorter than the time between two bookmarks: a quiet watch would be begun again and again.
    Object.assign(watch, { requestTimeoutMs: SILENCE_MS });
    let fault: unknown;
    let controller: AbortController | undefined;
    const stop = (): void => controller?.abort();
    try {
      await new Promise<void>((resolve, reject) => {
        // The package ignores what a callback throws, and what it can't parse; the first ends the watch here.
        const take = (type: string, object: unknown): void => {
          try {
            onEvent(eventOf(type, object));
          } catch (error) {
            fault ??= error;
            stop();
          }
        };
        const done = (error: unknown): void => {
          if (fault !== undefined) reject(asError(fault));
          else if (error === null || error === undefined) resolve();
          else reject(failureOf(error));
        };
        signal.addEventListener('abort', stop, { once: true });
        watch.watch(path, { ...query }, take, done).then((started) => {
          controller = started;
          if (signal.aborted || fault !== undefined) started.abort();
        }, reject);
      });
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  async read(path: string, signal: AbortSignal): Promise<ApiObject | undefined> {
    try {
      return JSON.parse(await this.#request('GET', new URL(this.server + path), signal)) as ApiObject;
    } catch (error) {
      if (error instanceof ApiFailure && error.status === 404) return undefined;
      throw error;
    }
  }

  create(path: string, object: ApiObject, signal: AbortSignal): Promise<ApiObject> {
    return this.#send('POST', path, 'application/json', object, signal);
  }

  replace(path: string, object: ApiObject, signal: AbortSignal): Promise<ApiObject> {
    return this.#send('PUT', path, 'application/json', object, signal);
  }

  apply(path: string, manager: string, object: ApiObject, signal: AbortSignal): Promise<ApiObject> {
    const query = `?fieldManager=${encodeURIComponent(manager)}&force=true`;
    // Every JSON text is YAML.
    return this.#send('PATCH', path + query, 'application/apply-patch+yaml', object, signal);
  }

  patch(path: string, steps: readonly PatchStep[], signal: AbortSignal): Promise<ApiObject> {
    return this.#send('PATCH', path, 'application/json-patch+json', steps, signal);
  }

  async #send(
    method: string,
    path: string,
    type: string,
    object: unknown,
    signal: AbortSignal,
  ): Promise<ApiObject> {
    const sent = { type, body: JSON.stringify(object) };
    return JSON.parse(await this.#request(method, new URL(this.server + path), signal, sent)) as ApiObject;
  }

  async #request(
    method: string,
    url: URL,
    signal: AbortSignal,
    sent?: { readonly type: string; readonly body: string },
  ): Promise<string> {
    const options: RequestOptions = {
      method,
      signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]),
      headers: {
        accept: 'application/json',
        ...(sent === undefined ? {} : { 'content-type': sent.type }),
      },
    };
    await this.#config.applyToHTTPSOptions(options);
    const request = url.protocol === 'https:' ? requestHttps : requestHttp;
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request(url, options, resolve).once('error', reject).end(sent?.body);
    });
    const body = await text(response);
    const { statusCode = 0 } = response;
    if (statusCode < 200 || statusCode > 299)
      throw new ApiFailure(statusCode, messageOf(body) ?? `HTTP ${String(statusCode)}`);
    return body;
  }
}

function eventOf(type: string, object: unknown): WatchEvent {
  if (type === 'ERROR') {
    const { code = 0, message = 'no reason given' } = object as { code?: number; message?: string };
    return { type, code, message };
  }
  if (type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED' || type === 'BOOKMARK')
    return { type, object: object as ApiObject };
  throw new ApiFailure(0, `the API server sent an event of the unknown type ${type}`);
}

function failureOf(error: unknown): Error {
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
  return typeof status === 'number' ? new ApiFailure(status, asError(error).message) : asError(error);
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/** Of a Status object. */
function messageOf(body: string): string | undefined {
  try {
    const { message } = JSON.parse(body) as { readonly message?: string };
    return message;
  } catch {
    return undefined;
  }
}
