// SPDX-License-Identifier: Apache-2.0
import type { Command } from 'commander';
import type { CliContext, ExitCode } from './context.ts';

/** Takes the exit code of a command that ran to its end. */
export type Finish = (code: ExitCode) => void;

export interface CommandEntry {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  readonly group: string;
  /** Knows what a cluster is; the others are about this machine, which `kubectl perigee` never means. */
  readonly cluster?: true;
  /** For other programs: not in the list of commands. */
  readonly hidden?: true;
  /** Loads the command; the others are not touched, which keeps start-up short. */
  readonly load: () => Promise<(context: CliContext, finish: Finish) => Command>;
}

const LOOK = 'Look at the mesh:';
const RUN = 'Run the mesh:';

/** Every command; of `kubectl perigee` those that it has. */
export function commandsOf(isPlugin: boolean): readonly CommandEntry[] {
  return isPlugin ? commandList.filter(({ cluster }) => cluster === true) : commandList;
}

export const commandList: readonly CommandEntry[] = [
  {
    name: 'status',
    summary: 'Show the agent of this node: workloads, configuration, proxy, flows',
    group: LOOK,
    cluster: true,
    load: async () => (await import('./commands/status.ts')).statusCommand,
  },
  {
    name: 'observe',
    summary: 'Show flows, stored or live, and why each was allowed or refused',
    group: LOOK,
    cluster: true,
    load: async () => (await import('./commands/observe.ts')).observeCommand,
  },
  {
    name: 'top',
    summary: 'Watch the busiest edges, their errors and what is refused',
    group: LOOK,
    cluster: true,
    load: async () => (await import('./commands/top.ts')).topCommand,
  },
  {
    name: 'ui',
    summary: 'Serve a page with the map of services and what is refused',
    group: LOOK,
    cluster: true,
    load: async () => (await import('./commands/ui.ts')).uiCommand,
  },
  {
    name: 'explain',
    summary: 'Ask the policy: may this reach that, and which rule says so',
    group: LOOK,
    cluster: true,
    load: async () => (await import('./commands/explain.ts')).explainCommand,
  },
  {
    name: 'check',
    summary: 'Show what this machine can do, and what is off without it',
    group: LOOK,
    load: async () => (await import('./commands/check.ts')).checkCommand,
  },
  {
    name: 'bugreport',
    summary: 'Pack state, maps, flows and logs into one archive, without secrets',
    group: LOOK,
    load: async () => (await import('./commands/bugreport.ts')).bugreportCommand,
  },
  {
    name: 'version',
    summary: 'Show the version',
    group: LOOK,
    cluster: true,
    load: async () => (await import('./commands/version.ts')).versionCommand,
  },
  {
    name: 'completion',
    summary: 'Make a shell complete commands and flags',
    group: LOOK,
    cluster: true,
    load: async () => (await import('./commands/completion.ts')).completionCommand,
  },
  {
    name: 'agent',
    summary: 'Run the agent of this node',
    group: RUN,
    load: async () => (await import('./commands/agent.ts')).agentCommand,
  },
  {
    name: 'proxy',
    summary: 'Run the layer 7 proxy of this node',
    group: RUN,
    load: async () => (await import('./commands/proxy.ts')).proxyCommand,
  },
  {
    name: 'controller',
    summary: 'Run the controller of a cluster',
    group: RUN,
    load: async () => (await import('./commands/controller.ts')).controllerCommand,
  },
  {
    name: 'relay',
    summary: 'Join standard input and output with the agent: the far end of kubectl perigee',
    group: RUN,
    hidden: true,
    load: async () => (await import('./commands/relay.ts')).relayCommand,
  },
  {
    name: 'set-log-level',
    summary: 'Change the log level of the running agent',
    group: RUN,
    load: async () => (await import('./commands/set-log-level.ts')).setLogLevelCommand,
  },
  {
    name: 'cleanup',
    summary: 'Remove everything that Perigee put on this machine',
    group: RUN,
    load: async () => (await import('./commands/cleanup.ts')).cleanupCommand,
  },
];
