// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events';
import { CommanderError } from 'commander';
import type { CliContext, ExitCode } from './context.ts';
import { errorText } from './printers/error.ts';
import { createStyle } from './printers/style.ts';
import { createProgram } from './program.ts';

const ERROR = 2;

function wantsColor(args: readonly string[]): boolean {
  const { NO_COLOR: noColor = '' } = process.env;
  return process.stdout.isTTY && noColor === '' && !args.includes('--no-color');
}

/** Interrupts end a command in order; so does a reader that goes away, as in `perigee observe -f | head`. */
function interruption(): AbortController {
  const controller = new AbortController();
  const stop = (): void => controller.abort();
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    stop();
  });
  return controller;
}

async function run(args: readonly string[]): Promise<number> {
  const color = wantsColor(args);
  let code: ExitCode = 0;
  const { signal } = interruption();
  const context: CliContext = {
    flushed: async () => {
      if (process.stdout.writableNeedDrain)
        await once(process.stdout, 'drain', { signal }).catch(() => undefined);
    },
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    color,
    signal,
    now: Date.now,
  };
  try {
    const program = await createProgram(args, context, (answer) => {
      code = answer;
    });
    await program.parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : ERROR;
    const isDebugging = (process.env['PERIGEE_DEBUG'] ?? '') !== '';
    context.err(errorText(error, createStyle(color), isDebugging));
    return ERROR;
  }
}

process.exitCode = await run(process.argv.slice(2));
