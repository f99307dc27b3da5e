// SPDX-License-Identifier: Apache-2.0
import { Command } from 'commander';
import { DEFAULT_SETTINGS_FILE, loadSettings, settingFlags, settingsSchema } from '../../agent/settings.ts';
import type { Finish } from '../command-list.ts';
import type { CliContext } from '../context.ts';
import { examples } from '../options.ts';
import { addSettingFlags, settingValues } from '../setting-flags.ts';

export function agentCommand(context: CliContext, finish: Finish): Command {
  const command = new Command('agent')
    .description(
      'Runs the agent of this node: reads the resources, programs the kernel, stores flows, and starts the proxy ' +
        'unless told otherwise. It is not in the path of traffic: what is in force stays so when it ends.',
    )
    .option('--settings <file>', `settings file (default: ${DEFAULT_SETTINGS_FILE}, if it is there)`);
  addSettingFlags(command, settingFlags, settingsSchema.parse({}));
  command.addHelpText(
    'after',
    examples([
      ['perigee agent --config examples', 'Govern by the resources of a folder'],
      ['perigee agent --proxy off --log-level debug', 'Layers 3 and 4 only, with much to read'],
    ]),
  );
  return command.action(async (flags: { readonly settings?: string }) => {
    const settings = loadSettings(settingValues(command, settingFlags), flags.settings);
    const { runAgent } = await import('../../agent/main.ts');
    await runAgent(settings, context.signal);
    finish(0);
  });
}
