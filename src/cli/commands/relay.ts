// SPDX-License-Identifier: Apache-2.0
import { connect } from 'node:net';
import { Command } from 'commander';
import { PerigeeError } from '../../lib/errors.ts';
import type { Finish } from '../command-list.ts';
import type { CliContext } from '../context.ts';
import { addSocketOption } from '../options.ts';

/** Joins standard input and output with the agent's socket until either end is done. */
function relay(path: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path, signal });
    socket.once('close', () => resolve());
    socket.once('error', (cause) => {
      if (signal.aborted) resolve();
      else
        reject(
          new PerigeeError('ERR_AGENT_NOT_RUNNING', 'the agent does not answer on its socket', {
            object: path,
            cause,
            hint: 'See what it says: kubectl logs',
          }),
        );
    });
    process.stdin.pipe(socket);
    socket.pipe(process.stdout);
  });
}

export function relayCommand({ signal }: CliContext, finish: Finish): Command {
  const command = new Command('relay').description(
    'Joins standard input and output with the socket of the agent: the far end of `kubectl perigee`, which starts it in ' +
      "the agent's pod.",
  );
  addSocketOption(command);
  return command.action(async ({ socket }: { readonly socket: string }) => {
    await relay(socket, signal);
    finish(0);
    // Standard input may stay open for as long as the other end likes.
    process.stdin.destroy();
  });
}
