// SPDX-License-Identifier: Apache-2.0
import { Command } from 'commander';
import type { Finish } from '../command-list.ts';
import type { CliContext, ExitCode } from '../context.ts';
import { addOutputOptions, addSocketOption, examples } from '../options.ts';

interface StatusFlags {
  readonly socket: string;
  readonly output: string;
  readonly color: boolean;
}

async function run(flags: StatusFlags, context: CliContext): Promise<ExitCode> {
  const { AgentClient } = await import('../../api/client.ts');
  const client = await AgentClient.connect(flags.socket);
  try {
    const status = await client.status();
    if (flags.output === 'json' || flags.output === 'yaml') {
      const { jsonText, yamlText } = await import('../printers/structured.ts');
      context.out(flags.output === 'json' ? `${jsonText(status, 2)}\n` : await yamlText(status));
    } else {
      const { createStyle } = await import('../printers/style.ts');
      const { statusText } = await import('../printers/status.ts');
      context.out(
        statusText(status, createStyle(context.color && flags.color), flags.output === 'wide', context.now()),
      );
    }
    const isBroken = status.config.problems.some(({ severity }) => severity === 'error');
    return status.ready && !isBroken ? 0 : 1;
  } finally {
    client.close();
  }
}

export function statusCommand(context: CliContext, finish: Finish): Command {
  const command = new Command('status').description(
    'Shows the agent of this node: whether it is ready, the configuration in force and its problems, the workloads ' +
      'and in which directions they are governed, the proxy, and the flow store.\n\nEnds with 1 if the agent is not ' +
      'ready or the configuration has errors.',
  );
  addOutputOptions(command, ['table', 'wide', 'json', 'yaml']);
  addSocketOption(command);
  command.addHelpText(
    'after',
    examples([
      ['perigee status', 'Is everything in force?'],
      ['perigee status -o json | jq .workloads', 'The workloads, for a script'],
    ]),
  );
  return command.action(async (flags: StatusFlags) => {
    finish(await run(flags, context));
  });
}
