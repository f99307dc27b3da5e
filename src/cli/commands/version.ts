// SPDX-License-Identifier: Apache-2.0
import { release } from 'node:os';
import { Command } from 'commander';
import manifest from '../../../package.json' with { type: 'json' };
import type { Finish } from '../command-list.ts';
import type { CliContext } from '../context.ts';
import { addOutputOptions } from '../options.ts';
import { jsonText, yamlText } from '../printers/structured.ts';

export function versionCommand(context: CliContext, finish: Finish): Command {
  const command = new Command('version').description(
    'Shows the version of this program, and what it runs on.',
  );
  addOutputOptions(command, ['table', 'json', 'yaml']);
  return command.action(async ({ output }: { readonly output: string }) => {
    const facts = { version: manifest.version, node: process.version, kernel: release(), arch: process.arch };
    if (output === 'json') context.out(`${jsonText(facts, 2)}\n`);
    else if (output === 'yaml') context.out(await yamlText(facts));
    else context.out(`perigee ${facts.version} (node ${facts.node}, linux ${facts.kernel}, ${facts.arch})\n`);
    finish(0);
  });
}
