// SPDX-License-Identifier: Apache-2.0
import { Command, Option } from 'commander';
import type { Finish } from '../command-list.ts';
import type { CliContext } from '../context.ts';
import { examples } from '../options.ts';

interface ControllerFlags {
  readonly kubeconfig: string;
  readonly namespace: string;
  readonly identity: string;
  readonly logLevel: string;
}

export function controllerCommand(context: CliContext, finish: Finish): Command {
  const command = new Command('controller').description(
    'Runs the controller of a cluster, which writes into the status of each policy what became of it. Of several, one ' +
      'works at a time; nothing is less enforced while there is none.',
  );
  command.optionsGroup('Settings:');
  command
    .option('--kubeconfig <file>', 'access to the API server (default: the service account of the pod)', '')
    .addOption(
      new Option('--namespace <name>', 'namespace of the lease')
        .default('perigee-system')
        .env('POD_NAMESPACE'),
    )
    .addOption(
      new Option('--identity <name>', 'name in the lease, unique among the controllers')
        .default('perigee-controller')
        .env('POD_NAME'),
    )
    .addOption(
      new Option('--log-level <level>', 'how much to log')
        .choices(['trace', 'debug', 'info', 'warn', 'error'])
        .default('info'),
    );
  command.addHelpText(
    'after',
    examples([['perigee controller --kubeconfig ~/.kube/config', 'Run it elsewhere']]),
  );
  return command.action(async (flags: ControllerFlags) => {
    const { runController } = await import('../../controller/main.ts');
    await runController(flags, context.signal);
    finish(0);
  });
}
