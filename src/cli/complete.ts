// SPDX-License-Identifier: Apache-2.0
import type { Command, Option } from 'commander';

/** What can stand where the cursor is, with a word on each. */
export interface Candidate {
  readonly text: string;
  readonly about: string;
}

function optionsOf(command: Command): readonly Option[] {
  return command.createHelp().visibleOptions(command);
}

function optionCalled(command: Command, word: string): Option | undefined {
  return optionsOf(command).find(({ long, short }) => word === long || word === short);
}

function choicesOf({ argChoices = [] }: Pick<Option, 'argChoices'>, before = ''): Candidate[] {
  return argChoices.map((choice) => ({ text: before + choice, about: '' }));
}

/** @param words after the program's name; the last is what is being typed */
export function candidates(program: Command, words: readonly string[]): readonly Candidate[] {
  const typed = words.at(-1) ?? '';
  const before = words.slice(0, -1);
  const found = all(program, before, typed);
  return found.filter(({ text }) => text.startsWith(typed));
}

function all(program: Command, before: readonly string[], typed: string): readonly Candidate[] {
  const name = before.find((word) => !word.startsWith('-'));
  if (name === undefined)
    return program
      .createHelp()
      .visibleCommands(program)
      .map((command) => ({
        text: command.name(),
        about: command.summary(),
      }));
  const command = program.commands.find((one) => one.name() === name);
  if (command === undefined) return [];
  const equals = typed.indexOf('=');
  if (typed.startsWith('--') && equals !== -1) {
    const option = optionCalled(command, typed.slice(0, equals));
    return option === undefined ? [] : choicesOf(option, typed.slice(0, equals + 1));
  }
  const last = optionCalled(command, before.at(-1) ?? '');
  if (last?.required === true) return choicesOf(last);
  if (typed.startsWith('-'))
    return optionsOf(command).map(({ long, short, description }) => ({
      text: long ?? short ?? '',
      about: description,
    }));
  const [argument] = command.registeredArguments;
  return argument === undefined ? [] : choicesOf(argument);
}
