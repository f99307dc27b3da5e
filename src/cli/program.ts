// SPDX-License-Identifier: Apache-2.0
import { Command } from 'commander';
import { isPlugin } from './agents.ts';
import { type CommandEntry, commandsOf, type Finish } from './command-list.ts';
import { candidates } from './complete.ts';
import type { CliContext } from './context.ts';

/** The command that the arguments name, if any: the first that is no flag, or what `help` is asked about. */
function namedCommand(commands: readonly CommandEntry[], args: readonly string[]): CommandEntry | undefined {
  const words = args.filter((arg) => !arg.startsWith('-'));
  const name = words[0] === 'help' ? words[1] : words[0];
  return commands.find((entry) => entry.name === name);
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

/** kubectl's and cobra's word for: these are all, no files. */
const NO_FILES = ':4';

/** What shells and kubectl ask when somebody completes a command line. */
function completeCommand(context: CliContext, finish: Finish): Command {
  return new Command('complete')
    .description('Prints what can stand at the end of a command line, as programs of cobra do.')
    .argument('[words...]', 'what follows the name of the program; the last word is being typed')
    .action(async (words: readonly string[]) => {
      const found = candidates(await createProgram(words, context, finish), words);
      context.out([...found.map(({ text, about }) => `${text}\t${about}`), NO_FILES, ''].join('\n'));
      finish(0);
    });
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
  const commands = commandsOf(isPlugin());
  const named = namedCommand(commands, args);
  for (const entry of commands) {
    program.commandsGroup(entry.group);
    const create = entry === named ? await entry.load() : undefined;
    const command = create?.(context, finish) ?? new Command(entry.name);
    const { hidden = false } = entry;
    program.addCommand(common(command.summary(entry.summary), context), { hidden });
  }
  program.addCommand(common(completeCommand(context, finish), context), { hidden: true });
  program.commandsGroup('Help:').helpCommand('help [command]', 'Show the help of a command');
  return program;
}
