// SPDX-License-Identifier: Apache-2.0

/** What every object of the API has; the rest is the kind's own. */
export interface ApiObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
    readonly generation?: number;
    readonly labels?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
  };
  readonly spec?: unknown;
  readonly status?: unknown;
}

/** One page of a list. */
export interface Page {
  readonly items: readonly ApiObject[];
  readonly resourceVersion: string;
  /** Where the next page begins; absent: this is the last one. */
  readonly next?: string;
}

export type WatchEvent =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'; readonly object: ApiObject }
  | { readonly type: 'ERROR'; readonly code: number; readonly message: string };

export type Query = Readonly<Record<string, string | number | boolean>>;

/** The API server, as far as a source needs it. */
export interface KubernetesApi {
  /** Where it is, for messages. */
  readonly server: string;
  list(path: string, query: Query, signal: AbortSignal): Promise<Page>;
  /** Resolves when the server ends the watch, rejects when it fails. */
  watch(path: string, query: Query, onEvent: (event: WatchEvent) => void, signal: AbortSignal): Promise<void>;
}

/** The API server, for those who write to it. */
export interface KubernetesWriter extends KubernetesApi {
  /** Undefined: there is no such object. */
  read(path: string, signal: AbortSignal): Promise<ApiObject | undefined>;
  create(path: string, object: ApiObject, signal: AbortSignal): Promise<ApiObject>;
  /** Fails with status 409 if the object has another resource version by now. */
  replace(path: string, object: ApiObject, signal: AbortSignal): Promise<ApiObject>;
  /** Server-side apply: the fields given become `manager`'s. */
  apply(path: string, manager: string, object: ApiObject, signal: AbortSignal): Promise<ApiObject>;
  /** All steps, or with status 422 none if a `test` among them fails. */
  patch(path: string, steps: readonly PatchStep[], signal: AbortSignal): Promise<ApiObject>;
}

/** A step of a JSON patch (RFC 6902). */
export interface PatchStep {
  readonly op: string;
  readonly path: string;
  readonly value?: unknown;
}

/** The API server's own refusal of a request. */
export class ApiFailure extends Error {
  /** HTTP status. */
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'ApiFailure';
    this.status = status;
  }
}
