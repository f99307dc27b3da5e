// SPDX-License-Identifier: Apache-2.0
import { Command, Option } from 'commander';
import { controlSocketName, stateFileName } from '../../core/proxy/places.ts';
import { PerigeeError } from '../../lib/errors.ts';
import type { Finish } from '../command-list.ts';
import type { CliContext } from '../context.ts';
import { examples } from '../options.ts';

interface ProxyFlags {
  readonly control: string;
  readonly state: string;
  readonly workers: string;
  readonly drainMs: string;
  readonly maxSockets?: string;
  readonly standBy?: true;
  readonly readyFile?: string;
  readonly logLevel: string;
}

function count(flag: string, text: string, most: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= most) return value;
  throw new PerigeeError('ERR_USAGE', `${flag}: not a number from 1 to ${most}: ${JSON.stringify(text)}`);
}

export function proxyCommand(context: CliContext, finish: Finish): Command {
  const command = new Command('proxy').description(
    'Runs the layer 7 proxy of this node. The agent configures it through its control socket; it keeps the last ' +
      'configuration that it accepted and starts from that, also when no agent is there. A second one on the same ' +
      'socket takes over from the first.',
  );
  command.optionsGroup('Settings:');
  command
    .option('--control <path>', 'control socket', `/run/perigee/${controlSocketName}`)
    .option('--state <file>', 'file of the last accepted configuration', `/run/perigee/${stateFileName()}`)
    .option('--workers <n>', 'worker threads', '1')
    .option('--drain-ms <ms>', 'how long connections may last when it ends', '30000')
    .option(
      '--max-sockets <n>',
      'sockets of one worker at most (default: what the limit of open files allows)',
    )
    .option(
      '--stand-by',
      'when another one has taken over, wait until that one is gone: for a supervisor that starts whatever ends',
    )
    .option('--ready-file <path>', 'file that is made once a configuration is in force')
    .addOption(
      new Option('--log-level <level>', 'how much to log')
        .choices(['trace', 'debug', 'info', 'warn', 'error'])
        .default('info'),
    );
  command.addHelpText('after', examples([['perigee proxy --workers 2', 'Run it as a unit of its own']]));
  return command.action(async ({ control, state, logLevel, ...flags }: ProxyFlags) => {
    const { runProxy } = await import('../../proxy/main.ts');
    const workers = count('--workers', flags.workers, 64);
    const drainMs = count('--drain-ms', flags.drainMs, 3_600_000);
    const { maxSockets: most, readyFile } = flags;
    const limits = most === undefined ? {} : { maxSockets: count('--max-sockets', most, 1_048_576) };
    const more = {
      ...limits,
      ...(readyFile === undefined ? {} : { readyFile }),
      standBy: flags.standBy === true,
    };
    await runProxy({ control, state, workers, drainMs, logLevel, ...more }, context.signal);
    finish(0);
  });
}
