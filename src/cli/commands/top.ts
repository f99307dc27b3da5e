// SPDX-License-Identifier: Apache-2.0
import { Command, InvalidArgumentError, Option } from 'commander';
import type { Finish } from '../command-list.ts';
import type { CliContext } from '../context.ts';
import { addConnectionOptions, examples, list } from '../options.ts';
import type { TopFlags } from '../top/run.ts';
import { sortKeys } from '../top/view.ts';

function wholeNumber(most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^[1-9]\d*$/.test(text) && value <= most) return value;
    throw new InvalidArgumentError(`Give a whole number from 1 to ${String(most)}.`);
  };
}

export function topCommand(context: CliContext, finish: Finish): Command {
  const command = new Command('top').description(
    'Shows who talks to whom right now: the busiest edges, their errors and latencies, and what is refused. It adds up ' +
      'flows as they come; flows that it could not keep up with are counted, never guessed.',
  );
  command
    .addOption(
      new Option('--sort <by>', 'what the edges are sorted by').choices([...sortKeys]).default('requests'),
    )
    .option('--window <seconds>', 'what rates are over', wholeNumber(60), 10)
    .option('--count <n>', 'print so many pictures, one a second, and end', wholeNumber(1_000_000));
  command.optionsGroup('Which flows (several values are alternatives, different flags are ANDed):');
  command
    .option('-n, --namespace <name>', 'either end is in the namespace')
    .option('-A, --all-namespaces', "of a cluster: not the context's namespace alone")
    .option('--workload <who>', 'either end: namespace/name, name, address, CIDR, World, Node', list)
    .option('--verdict <verdict>', 'allowed, denied, audited, error', list)
    .option('--no-color', 'no colours (also NO_COLOR, or when the output is no terminal)');
  addConnectionOptions(command);
  command.addHelpText(
    'after',
    examples([
      ['perigee top', 'Watch the node; s sorts by the next column, q ends'],
      ['perigee top --sort denied -n shop', 'What is refused in a namespace'],
      ['perigee top --count 10 --sort errors', 'Ten pictures in ten seconds, for a script or a log'],
    ]),
  );
  return command.action(async (flags: TopFlags) => {
    const { top } = await import('../top/run.ts');
    finish(await top(flags, context));
  });
}
