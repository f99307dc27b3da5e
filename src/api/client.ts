// SPDX-License-Identifier: Apache-2.0
import { access, constants } from 'node:fs/promises';
import {
  Client,
  type ClientReadableStream,
  credentials,
  type ServiceDefinition,
  type ServiceError,
} from '@grpc/grpc-js';
import type { FlowQuery, FlowStats } from '../core/flow-filter.ts';
import type { Question } from '../core/policy/verdict.ts';
import { PerigeeError } from '../lib/errors.ts';
import { adminDefinition, observerDefinition } from './definitions.ts';
import { queryToWire } from './filter-to-wire.ts';
import type { AgentStatus, CheckResult, Explanation, LogLevel } from './ports.ts';
import { questionToWire } from './question.ts';
import { fromServiceError } from './status-codes.ts';
import type { WireFlowsResponse } from './wire.ts';

const DEADLINE_MS = 10_000;

async function checkSocket(path: string): Promise<void> {
  try {
    await access(path, constants.R_OK | constants.W_OK);
  } catch (cause) {
    const isMissing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    throw isMissing
      ? new PerigeeError('ERR_AGENT_NOT_RUNNING', 'the agent is not running: its socket is missing', {
          object: path,
          hint: 'Start it with `systemctl start perigee-agent` or `perigee agent`, or name its socket with --socket; a cluster is asked with --context or `kubectl perigee`',
          cause,
        })
      : new PerigeeError('ERR_AGENT_FORBIDDEN', 'not allowed to talk to the agent', {
          object: path,
          hint: 'Become root, or join the group of the socket (setting socketGroup of the agent)',
          cause,
        });
  }
}

/** A connection to one agent. Faults are PerigeeErrors, those of the agent included. */
export class AgentClient {
  readonly #client: Client;
  readonly #path: string;
  #observer: ServiceDefinition | undefined;
  #admin: ServiceDefinition | undefined;

  private constructor(path: string) {
    this.#path = path;
    this.#client = new Client(`unix:${path}`, credentials.createInsecure());
  }

  /** Throws ERR_AGENT_NOT_RUNNING or ERR_AGENT_FORBIDDEN. */
  static async connect(path: string): Promise<AgentClient> {
    await checkSocket(path);
    return new AgentClient(path);
  }

  #call<Answer>(method: string, request: object): Promise<Answer> {
    this.#admin ??= adminDefinition();
    const definition = this.#admin[method];
    if (definition === undefined) throw new TypeError(`no method ${method}`);
    const { path, requestSerialize, responseDeserialize } = definition;
    const deadline = { deadline: Date.now() + DEADLINE_MS };
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        deadline,
        (error, value) => {
          if (error !== null) reject(fromServiceError(error, this.#path));
          else resolve(value as Answer);
        },
      );
    });
  }

  status(): Promise<AgentStatus & { readonly flows: FlowStats }> {
    return this.#call('GetStatus', {});
  }

  explain(question: Question): Promise<Explanation> {
    return this.#call('Explain', questionToWire(question));
  }

  async check(): Promise<readonly CheckResult[]> {
    const { results } = await this.#call<{ readonly results: readonly CheckResult[] }>('Check', {});
    return results;
  }

  async setLogLevel(level: string): Promise<LogLevel> {
    const answer = await this.#call<{ readonly level: LogLevel }>('SetLogLevel', { level });
    return answer.level;
  }

  /** Flows and losses as they come; ends when the server ends, or when `signal` aborts. */
  async *flows(query: FlowQuery, signal: AbortSignal): AsyncGenerator<WireFlowsResponse, void, undefined> {
    this.#observer ??= observerDefinition();
    const definition = this.#observer['GetFlows'];
    if (definition === undefined) throw new TypeError('no method GetFlows');
    const { path, requestSerialize, responseDeserialize } = definition;
    const stream: ClientReadableStream<WireFlowsResponse> = this.#client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize as (bytes: Buffer) => WireFlowsResponse,
      queryToWire(query),
    );
    const cancel = (): void => stream.cancel();
    signal.addEventListener('abort', cancel, { once: true });
    try {
      for await (const response of stream) yield response as WireFlowsResponse;
    } catch (error) {
      if (!signal.aborted) throw fromServiceError(error as ServiceError, this.#path);
    } finally {
      signal.removeEventListener('abort', cancel);
      stream.cancel();
    }
  }

  close(): void {
    this.#client.close();
  }
}
