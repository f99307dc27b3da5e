// SPDX-License-Identifier: Apache-2.0
import type { sendUnaryData, ServerUnaryCall, UntypedServiceImplementation } from '@grpc/grpc-js';
import { PerigeeError } from '../lib/errors.ts';
import { type ApiOptions, type LogLevel, logLevels } from './ports.ts';
import { questionFromWire, type WireQuestion } from './question.ts';
import { toServiceError } from './status-codes.ts';

function isLogLevel(text: string): text is LogLevel {
  return logLevels.some((level) => level === text);
}

function logLevel(text: string | undefined): LogLevel {
  if (text !== undefined && isLogLevel(text)) return text;
  throw new PerigeeError('ERR_LOG_LEVEL_INVALID', `unknown log level ${JSON.stringify(text ?? '')}`, {
    hint: `One of ${logLevels.join(', ')}`,
  });
}

/** The admin service; answers are the ports' own values, whose names are those of the messages. */
export function adminService(options: ApiOptions): UntypedServiceImplementation {
  const { status, flows, explainer, checker, logLevel: control, log } = options;
  const unary =
    <Request, Answer>(method: string, answer: (request: Request) => Answer | Promise<Answer>) =>
    (call: ServerUnaryCall<Request, Answer>, callback: sendUnaryData<Answer>): void => {
      const run = async (): Promise<Answer> => answer(call.request);
      run().then(
        (value) => callback(null, value),
        (error: unknown) => {
          if (!(error instanceof PerigeeError)) log.warn({ err: error, method }, 'admin call failed');
          callback(toServiceError(error));
        },
      );
    };
  return {
    GetStatus: unary('GetStatus', () => ({ ...status.status(), flows: flows.stats() })),
    Explain: unary('Explain', (wire: WireQuestion) => explainer.explain(questionFromWire(wire))),
    Check: unary('Check', async () => ({ results: await checker.check() })),
    GetLogLevel: unary('GetLogLevel', () => ({ level: control.get() })),
    SetLogLevel: unary('SetLogLevel', ({ level }: { readonly level?: string }) => {
      control.set(logLevel(level));
      return { level: control.get() };
    }),
  };
}
