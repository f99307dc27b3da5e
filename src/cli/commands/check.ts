// SPDX-License-Identifier: Apache-2.0
import { Command } from 'commander';
import type { CheckResult } from '../../api/ports.ts';
import type { Finish } from '../command-list.ts';
import type { CliContext, ExitCode } from '../context.ts';
import { addOutputOptions, addSocketOption, examples } from '../options.ts';

interface CheckFlags {
  readonly socket: string;
  readonly output: string;
  readonly color: boolean;
  readonly agent?: boolean;
}

async function askAgent(socket: string): Promise<readonly CheckResult[]> {
  const { AgentClient } = await import('../../api/client.ts');
  const client = await AgentClient.connect(socket);
  try {
    return await client.check();
  } finally {
    client.close();
  }
}

async function checkHere(): Promise<readonly CheckResult[]> {
  const { runChecks } = await import('../../agent/check.ts');
  return runChecks();
}

async function run(flags: CheckFlags, context: CliContext): Promise<ExitCode> {
  const results = flags.agent === true ? await askAgent(flags.socket) : await checkHere();
  const { jsonText, yamlText } = await import('../printers/structured.ts');
  if (flags.output === 'json') context.out(`${jsonText(results, 2)}\n`);
  else if (flags.output === 'yaml') context.out(await yamlText(results));
  else {
    const { createStyle } = await import('../printers/style.ts');
    const { checksText } = await import('../printers/checks.ts');
    context.out(checksText(results, createStyle(context.color && flags.color)));
  }
  return results.some(({ required, ok }) => required && !ok) ? 1 : 0;
}

export function checkCommand(context: CliContext, finish: Finish): Command {
  const command = new Command('check').description(
    'Tries what this machine can do, one capability a line: what Perigee uses it for, so what is off without it, ' +
      'and what to do about it. Needs no agent.\n\nEnds with 1 if something required is missing.',
  );
  command.option('--agent', 'let the running agent try, with its rights');
  addOutputOptions(command, ['table', 'json', 'yaml']);
  addSocketOption(command);
  command.addHelpText('after', examples([['perigee check', 'Can Perigee run here?']]));
  return command.action(async (flags: CheckFlags) => {
    finish(await run(flags, context));
  });
}
