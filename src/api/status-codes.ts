// SPDX-License-Identifier: Apache-2.0
import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { PerigeeError, messageOf } from '../lib/errors.ts';

/** Faults that are the caller's. All others are the agent's own. */
const statusOfCode: Readonly<Record<string, status>> = {
  ERR_FILTER_INVALID: status.INVALID_ARGUMENT,
  ERR_QUESTION_INVALID: status.INVALID_ARGUMENT,
  ERR_LOG_LEVEL_INVALID: status.INVALID_ARGUMENT,
  ERR_WORKLOAD_UNKNOWN: status.NOT_FOUND,
};

const CODE = 'perigee-code';
// Keys that end in -bin carry any bytes; others ASCII only.
const OBJECT = 'perigee-object-bin';
const HINT = 'perigee-hint-bin';

/** What a handler passes to gRPC for an error that it caught. */
export function toServiceError(error: unknown): Partial<ServiceError> {
  if (!(error instanceof PerigeeError)) {
    return { code: status.INTERNAL, details: messageOf(error) };
  }
  const metadata = new Metadata();
  metadata.set(CODE, error.code);
  if (error.object !== undefined) metadata.set(OBJECT, Buffer.from(error.object));
  if (error.hint !== undefined) metadata.set(HINT, Buffer.from(error.hint));
  return { code: statusOfCode[error.code] ?? status.INTERNAL, details: error.message, metadata };
}

/** The error that the agent threw, or one that says what failed on the way. */
export function fromServiceError(error: ServiceError, socketPath: string): PerigeeError {
  const text = (key: string): string | undefined => error.metadata.get(key)[0]?.toString();
  const code = text(CODE);
  if (code !== undefined) {
    const object = text(OBJECT);
    const hint = text(HINT);
    const detail = { ...(object === undefined ? {} : { object }), ...(hint === undefined ? {} : { hint }) };
    return new PerigeeError(code, error.details, { ...detail, cause: error });
  }
  if (error.code === status.UNAVAILABLE || error.code === status.DEADLINE_EXCEEDED) {
    return new PerigeeError('ERR_AGENT_UNREACHABLE', `the agent does not answer: ${error.details}`, {
      object: socketPath,
      hint: 'Look whether it runs (`systemctl status perigee-agent`) and at its log',
      cause: error,
    });
  }
  return new PerigeeError('ERR_AGENT_CALL', `the agent failed: ${error.details}`, {
    object: socketPath,
    hint: 'Look at the log of the agent',
    cause: error,
  });
}
