// SPDX-License-Identifier: Apache-2.0
import { type Command, Option } from 'commander';

export const DEFAULT_SOCKET = '/run/perigee/agent.sock';

/** Where the chart is installed by its documentation. */
const SYSTEM_NAMESPACE = 'perigee-system';

const CONNECTION = 'Connection:';
const OUTPUT = 'Output:';

/** Flags that every command which talks to the agent has. */
export function addSocketOption(command: Command): Command {
  command.optionsGroup(CONNECTION);
  return command.addOption(
    new Option('--socket <path>', 'socket of the agent').default(DEFAULT_SOCKET).env('PERIGEE_SOCKET'),
  );
}

/** The same, for commands that can ask the agents of a cluster. */
export function addConnectionOptions(command: Command): Command {
  addSocketOption(command);
  command.optionsGroup('A cluster instead of this node (any of these, or `kubectl perigee`):');
  return command
    .option('--context <name>', 'context of the kubeconfig')
    .option('--kubeconfig <file>', 'access to the API server (default: KUBECONFIG, or ~/.kube/config)')
    .option('--node <name>', 'the agent of this node alone; default: those of all nodes')
    .addOption(
      new Option('--system-namespace <name>', 'where the agents are')
        .default(SYSTEM_NAMESPACE)
        .env('PERIGEE_SYSTEM_NAMESPACE'),
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
