// SPDX-License-Identifier: Apache-2.0
import { commandList } from '../../src/cli/command-list.ts';
import type { CliContext } from '../../src/cli/context.ts';
import { createProgram } from '../../src/cli/program.ts';
import { page } from './markdown.ts';

const WIDTH = 100;

const context: CliContext = {
  out: () => {},
  err: () => {},
  flushed: () => Promise.resolve(),
  color: false,
  signal: new AbortController().signal,
  now: () => 0,
};

function fenced(text: string): string {
  return `\`\`\`text\n${text.trimEnd()}\n\`\`\``;
}

/** The help of every command, as the program prints it. */
async function helpOf(name: string): Promise<string> {
  const program = await createProgram([name], context, () => {});
  const command = name === '' ? program : program.commands.find((one) => one.name() === name);
  let text = '';
  command?.configureOutput({
    writeOut: (part) => {
      text += part;
    },
    getOutHelpWidth: () => WIDTH,
    getOutHasColors: () => false,
  });
  command?.outputHelp();
  return fenced(text);
}

export async function commandLinePage(): Promise<string> {
  const parts = [await helpOf('')];
  for (const { name, summary, hidden } of commandList)
    if (hidden !== true) parts.push(`## perigee ${name}`, `${summary}.`, await helpOf(name));
  return page('Command line', 'src/cli', parts);
}
