// SPDX-License-Identifier: Apache-2.0
import { DEFAULT_SETTINGS_FILE, settingFlags, settingsSchema } from '../../src/agent/settings.ts';
import { markdownTable, page } from './markdown.ts';
import { fieldsOf } from './schema.ts';

function defaultText(value: unknown): string {
  if (typeof value === 'string') return value === '' ? '' : `\`${value}\``;
  return typeof value === 'number' || typeof value === 'boolean' ? `\`${value}\`` : '';
}

export function settingsPage(): string {
  const flags = new Map<string, string>(settingFlags.map(({ setting, flag }) => [setting, flag]));
  const rows = fieldsOf(settingsSchema).map(({ path, type, description, default: value }) => {
    const flag = flags.get(path);
    return [`\`${path}\``, type, defaultText(value), flag === undefined ? '' : `\`${flag}\``, description];
  });
  return page('Settings', 'src/agent/settings.ts', [
    `The agent reads \`${DEFAULT_SETTINGS_FILE}\` if it is there, or the file that \`--settings\` names; flags go over ` +
      'the file. Settings are read when the agent starts; a restart leaves traffic alone. The log level can be changed ' +
      'at once with `perigee set-log-level`.',
    markdownTable(['Setting', 'Type', 'Default', 'Flag', 'Meaning'], rows),
  ]);
}
