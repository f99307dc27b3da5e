// SPDX-License-Identifier: Apache-2.0
import { Command } from 'commander';
import type { Finish } from '../command-list.ts';
import type { CliContext } from '../context.ts';
import type { ExplainFlags } from '../explain/run.ts';
import { addConnectionOptions, addOutputOptions, examples, repeated } from '../options.ts';

export function explainCommand(context: CliContext, finish: Finish): Command {
  const command = new Command('explain')
    .description(
      'Asks the policy that is in force, by the evaluator that the kernel and the proxy are programmed from: the ' +
        'verdict, the rule that decides, and every rule that was considered and why it did or did not match. ' +
        'Nothing is sent to anyone.\n\nEnds with 0 if it is allowed and 1 if it is denied.',
    )
    .argument(
      '<from>',
      'namespace/name of a workload, or an address; in a cluster also deploy/name, pod/name, …',
    )
    .argument('<to>', 'likewise');
  command.optionsGroup('What is asked:');
  command
    .requiredOption('-p, --port <port>', 'port of the destination')
    .option('--protocol <protocol>', 'tcp or udp', 'tcp')
    .option('--method <method>', 'HTTP method; with this or --path a request is asked about')
    .option('--path <path>', 'path of the request, with or without a query')
    .option('--host <host>', 'Host of the request')
    .option('-H, --header <header>', '`name: value`, may be repeated', repeated);
  addOutputOptions(command, ['table', 'json', 'yaml']);
  addConnectionOptions(command);
  command.option('-n, --namespace <name>', 'of a cluster: completes names without one');
  command.addHelpText(
    'after',
    examples([
      ['perigee explain shop/web shop/api --port 8080 --method GET --path /orders', 'May web read orders?'],
      ['kubectl perigee explain deploy/web svc/api -p 8080', 'The same of what is in a cluster'],
      ['perigee explain 203.0.113.9 shop/web --port 443', 'May an address outside connect?'],
    ]),
  );
  return command.action(async (from: string, to: string, flags: ExplainFlags) => {
    const { explain } = await import('../explain/run.ts');
    finish(await explain(from, to, flags, context));
  });
}
