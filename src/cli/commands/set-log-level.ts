// SPDX-License-Identifier: Apache-2.0
import { Argument, Command } from 'commander';
import type { Finish } from '../command-list.ts';
import type { CliContext } from '../context.ts';
import { addSocketOption, examples } from '../options.ts';

export function setLogLevelCommand(context: CliContext, finish: Finish): Command {
  const command = new Command('set-log-level')
    .description('Changes the log level of the running agent at once, until it restarts.')
    .addArgument(new Argument('<level>').choices(['trace', 'debug', 'info', 'warn', 'error']));
  addSocketOption(command);
  command.addHelpText('after', examples([['perigee set-log-level debug', 'Say more']]));
  return command.action(async (level: string, { socket }: { readonly socket: string }) => {
    const { AgentClient } = await import('../../api/client.ts');
    const client = await AgentClient.connect(socket);
    try {
      context.out(`log level ${await client.setLogLevel(level)}\n`);
      finish(0);
    } finally {
      client.close();
    }
  });
}
