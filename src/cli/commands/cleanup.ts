// SPDX-License-Identifier: Apache-2.0
import { Command } from 'commander';
import { loadSettings, settingFlags, settingsSchema } from '../../agent/settings.ts';
import type { Finish } from '../command-list.ts';
import type { CliContext } from '../context.ts';
import { examples } from '../options.ts';
import { addSettingFlags, settingValues } from '../setting-flags.ts';

const flags = settingFlags.filter(({ setting }) => setting === 'pinRoot' || setting === 'runDirectory');

export function cleanupCommand(context: CliContext, finish: Finish): Command {
  const command = new Command('cleanup')
    .description(
      'Detaches all programs, removes all maps and pins, and ends the proxy. Needs no agent, but stop it first; ' +
        'may be repeated. Traffic then flows as if Perigee had never been there: ungoverned.',
    )
    .option('--settings <file>', 'settings file of the agent');
  addSettingFlags(command, flags, settingsSchema.parse({}));
  command.addHelpText('after', examples([['perigee cleanup', 'Leave nothing behind']]));
  return command.action(async ({ settings }: { readonly settings?: string }) => {
    const { cleanup } = await import('../../agent/cleanup.ts');
    const result = await cleanup(loadSettings(settingValues(command, flags), settings));
    const proxy = result.proxyStopped ? ', the proxy was told to end' : '';
    context.out(`detached ${result.detached} hooks, removed ${result.removed} pins${proxy}\n`);
    finish(0);
  });
}
