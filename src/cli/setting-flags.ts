// SPDX-License-Identifier: Apache-2.0
import { type Command, Option } from 'commander';

/** A flag that stands for a setting; its value is passed on as text and judged with the settings file. */
export interface SettingFlag<Setting extends string> {
  readonly setting: Setting;
  readonly flag: string;
  readonly argument: string;
  readonly description: string;
}

export function addSettingFlags(
  command: Command,
  flags: readonly SettingFlag<string>[],
  defaults: Readonly<Record<string, unknown>>,
): Command {
  command.optionsGroup('Settings (over those of the file):');
  for (const { setting, flag, argument, description } of flags) {
    const value = defaults[setting];
    // Only told, not set: what is not given must not cover the file.
    const hasDefault = typeof value === 'number' || (typeof value === 'string' && value !== '');
    const told = hasDefault ? ` (default: ${value})` : '';
    command.addOption(new Option(`${flag} <${argument.toLowerCase()}>`, `${description}${told}`));
  }
  return command;
}

/** The values given, by setting. */
export function settingValues<Setting extends string>(
  command: Command,
  flags: readonly SettingFlag<Setting>[],
): Partial<Record<Setting, string>> {
  const values: Partial<Record<Setting, string>> = {};
  for (const { setting, flag } of flags) {
    const value: unknown = command.getOptionValue(new Option(flag).attributeName());
    if (typeof value === 'string') values[setting] = value;
  }
  return values;
}
