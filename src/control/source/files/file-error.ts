// SPDX-License-Identifier: Apache-2.0
import type { ResourceError } from '../../../core/resources/resource-error.ts';
import { messageOf } from '../../../lib/errors.ts';

/** A fault of a file as a whole: it has no line. */
export function fileError(file: string, message: string, hint?: string): ResourceError {
  return { file, line: 0, column: 0, field: '', message, ...(hint === undefined ? {} : { hint }) };
}

const MESSAGES: Readonly<Record<string, readonly [message: string, hint?: string]>> = {
  ENOENT: ['does not exist', 'create it, or name another folder'],
  ENOTDIR: ['is not a folder', 'name the folder that holds the YAML files'],
  EACCES: ['cannot be read: permission denied', 'let the agent’s user read it'],
  ELOOP: ['is a symbolic link that leads back to itself'],
};

/** A fault that the operating system reported about a path. */
export function systemError(file: string, path: string, error: unknown): ResourceError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const known = Object.hasOwn(MESSAGES, code) ? MESSAGES[code] : undefined;
  const [message, hint] = known ?? [`cannot be read: ${messageOf(error)}`];
  // Links of a folder that is being replaced dangle for a moment: the advice for a folder would mislead.
  if (file !== '' && code === 'ENOENT') return fileError(file, message, 'remove the link that leads nowhere');
  return fileError(file === '' ? path : file, message, hint);
}
