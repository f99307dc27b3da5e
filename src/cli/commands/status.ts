// SPDX-License-Identifier: Apache-2.0
import { Command } from 'commander';
import type { Finish } from '../command-list.ts';
import type { CliContext, ExitCode } from '../context.ts';
import { connectAgents, type ConnectionFlags, meansCluster } from '../agents.ts';
import { addConnectionOptions, addOutputOptions, examples } from '../options.ts';
import type { NodeStatus } from '../printers/status.ts';

interface StatusFlags extends ConnectionFlags {
  readonly output: string;
  readonly color: boolean;
}

async function textOf(
  statuses: readonly NodeStatus[],
  flags: StatusFlags,
  context: CliContext,
): Promise<string> {
  const [only] = statuses;
  if (flags.output === 'json' || flags.output === 'yaml') {
    const { jsonText, yamlText } = await import('../printers/structured.ts');
    // Of a cluster it is a list, also if there is one node.
    const data = meansCluster(flags) ? { nodes: statuses } : (only ?? {});
    return flags.output === 'json' ? `${jsonText(data, 2)}\n` : await yamlText(data);
  }
  const { createStyle } = await import('../printers/style.ts');
  const style = createStyle(context.color && flags.color);
  const { statusText } = await import('../printers/status.ts');
  const isWide = flags.output === 'wide';
  if (only !== undefined && statuses.length === 1) return statusText(only, style, isWide, context.now());
  const { clusterStatusText } = await import('../printers/cluster-status.ts');
  return clusterStatusText(statuses, style, isWide, context.now());
}

async function run(flags: StatusFlags, context: CliContext): Promise<ExitCode> {
  const agents = await connectAgents(flags, context);
  try {
    const statuses = await agents.status();
    context.out(await textOf(statuses, flags, context));
    const isWell = ({ ready, config }: NodeStatus): boolean =>
      ready && config.problems.every(({ severity }) => severity !== 'error');
    return statuses.every(isWell) ? 0 : 1;
  } finally {
    agents.close();
  }
}

export function statusCommand(context: CliContext, finish: Finish): Command {
  const command = new Command('status').description(
    'Shows the agent of this node: whether it is ready, the configuration in force and its problems, the workloads ' +
      'and in which directions they are governed, the proxy, and the flow store.\n\nEnds with 1 if the agent is not ' +
      'ready or the configuration has errors.',
  );
  addOutputOptions(command, ['table', 'wide', 'json', 'yaml']);
  addConnectionOptions(command);
  command.addHelpText(
    'after',
    examples([
      ['perigee status', 'Is everything in force?'],
      ['kubectl perigee status', 'The same of all nodes of a cluster'],
      ['perigee status -o json | jq .workloads', 'The workloads, for a script'],
    ]),
  );
  return command.action(async (flags: StatusFlags) => {
    finish(await run(flags, context));
  });
}
