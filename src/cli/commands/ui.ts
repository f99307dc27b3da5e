// SPDX-License-Identifier: Apache-2.0
import { Command } from 'commander';
import type { Finish } from '../command-list.ts';
import type { CliContext } from '../context.ts';
import { addConnectionOptions, examples } from '../options.ts';
import type { UiFlags } from '../ui/run.ts';

export function uiCommand(context: CliContext, finish: Finish): Command {
  const command = new Command('ui').description(
    'Serves a page that shows who talks to whom on this node or in a cluster, with rates, errors, latencies and paths, and what policy ' +
      'refuses. It reads flows as any client does; the address that it prints holds the key.',
  );
  command.option('--listen <address>', 'where the page is served; port 0 takes a free one', '127.0.0.1:4255');
  addConnectionOptions(command);
  command.addHelpText(
    'after',
    examples([
      ['perigee ui', 'Serve the page to a browser on this machine'],
      ['kubectl perigee ui', 'See the map of a cluster, of all its nodes'],
      ['ssh -L 4255:127.0.0.1:4255 NODE sudo perigee ui', 'See the map of another machine'],
    ]),
  );
  return command.action(async (flags: UiFlags) => {
    const { ui } = await import('../ui/run.ts');
    finish(await ui(flags, context));
  });
}
