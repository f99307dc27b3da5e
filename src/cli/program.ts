// SPDX-License-Identifier: Apache-2.0
import { Command } from 'commander';
import { type CommandEntry, commandList, type Finish } from './command-list.ts';
import type { CliContext } from './context.ts';

/** The command that the arguments name, if any: the first that is no flag, or what `help` is asked about. */
function namedCommand(args: readonly string[]): CommandEntry | undefined {
  const words = args.filter((arg) => !arg.startsWith('-'));
  const name = words[0] === 'help' ? words[1] : words[0];
  return commandList.find((entry) => entry.name === name);
}

/** Applies what all commands share. */
function common(command: Command, context: CliContext): Command {
  return command
    .exitOverride()
    .configureOutput({
      writeOut: context.out,
      writeErr: context.err,
      getOutHasColors: () => context.color,
      getErrHasColors: () => context.color,
    })
    .showHelpAfterError(
      `(perigee ${command.name() === 'perigee' ? '' : `${command.name()} `}--help shows the usage)`,
    );
}

/** The program with the command that the arguments name; all others are there by name only. */
export async function createProgram(
  args: readonly string[],
  context: CliContext,
  finish: Finish,
): Promise<Command> {
  const program = common(new Command('perigee'), context)
    .description(
      'Layer 7 policy for programs you cannot change: every connection and request intercepted in the kernel, ' +
        'decided by policy, and shown.',
    )
    .addHelpText('after', '\nEnds with 0 if all is well, 1 if the answer is no, 2 after an error.');
  const named = namedCommand(args);
  for (const entry of commandList) {
    program.commandsGroup(entry.group);
    const create = entry === named ? await entry.load() : undefined;
    const command = create?.(context, finish) ?? new Command(entry.name);
    program.addCommand(common(command.summary(entry.summary), context));
  }
  program.commandsGroup('Help:').helpCommand('help [command]', 'Show the help of a command');
  return program;
}
