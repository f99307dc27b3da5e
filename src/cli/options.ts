// SPDX-License-Identifier: Apache-2.0
import { type Command, Option } from 'commander';

export const DEFAULT_SOCKET = '/run/perigee/agent.sock';

const CONNECTION = 'Connection:';
const OUTPUT = 'Output:';

/** Flags that every command which talks to the agent has. */
export function addSocketOption(command: Command): Command {
  command.optionsGroup(CONNECTION);
  return command.addOption(
    new Option('--socket <path>', 'socket of the agent').default(DEFAULT_SOCKET).env('PERIGEE_SOCKET'),
  );
}

export function addOutputOptions(command: Command, formats: readonly string[]): Command {
  command.optionsGroup(OUTPUT);
  return command
    .addOption(new Option('-o, --output <format>', 'how to print').choices([...formats]).default(formats[0]))
    .option('--no-color', 'no colours (also NO_COLOR, or when the output is no terminal)');
}

/** Collects a flag that may be given several times, or once with commas. */
export function list(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), ...value.split(',').map((part) => part.trim())];
}

/** Collects a flag that may be given several times and whose values may contain commas. */
export function repeated(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}

/** The part of the help that shows how it is used. */
export function examples(lines: readonly (readonly [command: string, meaning: string])[]): string {
  const text = lines.map(([command, meaning]) => `  # ${meaning}\n  ${command}\n`);
  return `\nExamples:\n${text.join('\n')}`;
}
