// SPDX-License-Identifier: Apache-2.0
import { Command } from 'commander';
import manifest from '../../../package.json' with { type: 'json' };
import type { BugreportFlags } from '../bugreport/run.ts';
import type { Finish } from '../command-list.ts';
import type { CliContext } from '../context.ts';
import { addSocketOption, examples } from '../options.ts';

export function bugreportCommand(context: CliContext, finish: Finish): Command {
  const command = new Command('bugreport')
    .description(
      'Packs what is worth a look when something is wrong into one archive: state of the agent, capabilities of the ' +
        'machine, maps, resources, metrics, the last flows and the log. What looks like a secret is taken out: private ' +
        'keys, tokens, passwords, credentials in headers and URLs, values of matched headers, long elements of paths.',
    )
    .option('--file <file>', 'the archive (default: perigee-bugreport-HOST-TIME.tar.gz)')
    .option('--metrics <address>', 'where the agent serves metrics', '127.0.0.1:9975');
  addSocketOption(command);
  command.addHelpText('after', examples([['sudo perigee bugreport', 'An archive in this folder']]));
  return command.action(async (flags: BugreportFlags) => {
    const { bugreport } = await import('../bugreport/run.ts');
    finish(await bugreport(flags, context, manifest.version));
  });
}
