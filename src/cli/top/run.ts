// SPDX-License-Identifier: Apache-2.0
import { emitKeypressEvents } from 'node:readline';
import type { ReadStream } from 'node:tty';
import { createLogUpdate } from 'log-update';
import { flowFromWire } from '../../api/flow-from-wire.ts';
import { connectAgents, type ConnectionFlags } from '../agents.ts';
import { inCluster } from '../cluster/flags.ts';
import type { CliContext, ExitCode } from '../context.ts';
import { type FilterFlags, queryFromFlags } from '../observe/filters.ts';
import { createStyle } from '../printers/style.ts';
import { ToldTwice } from '../told-twice.ts';
import { Traffic } from './traffic.ts';
import { type SortKey, sortKeys, topView } from './view.ts';

export interface TopFlags extends FilterFlags, ConnectionFlags {
  readonly sort: SortKey;
  /** Seconds that rates are over. */
  readonly window: number;
  /** Pictures to print; absent: until interrupted. */
  readonly count?: number;
  readonly color: boolean;
}

const KEYS = 's: sort  q: quit';
const DEFAULT_COLUMNS = 120;
const DEFAULT_ROWS = 40;

/** Calls `onKey` for each key until the signal; the terminal is as before then. */
function listenToKeys(input: ReadStream, onKey: (name: string) => void, signal: AbortSignal): void {
  emitKeypressEvents(input);
  input.setRawMode(true);
  const listener = (_: string, key: { readonly name?: string; readonly ctrl?: boolean }): void =>
    onKey(key.ctrl === true && key.name === 'c' ? 'q' : (key.name ?? ''));
  input.on('keypress', listener);
  signal.addEventListener('abort', () => {
    input.off('keypress', listener);
    input.setRawMode(false);
    input.pause();
  });
}

/** Shows the busiest edges, errors and refusals as they change; without a terminal, one picture after the other. */
export async function top(typed: TopFlags, context: CliContext): Promise<ExitCode> {
  const flags = await inCluster(typed);
  const query = { ...queryFromFlags({ ...flags, follow: true }, context.now()), limit: 0 };
  const client = await connectAgents(flags, context);
  const node = await client.name();
  const stop = new AbortController();
  const signal = AbortSignal.any([context.signal, stop.signal]);
  const { stdin, stdout } = process;
  const isLive = stdout.isTTY && flags.count === undefined;
  const hasKeys = isLive && stdin.isTTY;
  const screen = isLive ? createLogUpdate(stdout) : undefined;
  const traffic = new Traffic(flags.window);
  const told = new ToldTwice();
  const style = createStyle(context.color && flags.color);
  let { sort } = flags;
  let shown = 0;
  const show = (): void => {
    // A terminal that nobody has told its size says 0.
    const size = { rows: stdout.rows || DEFAULT_ROWS, columns: stdout.columns || DEFAULT_COLUMNS };
    const text = topView(traffic, { node, sort, style, keys: hasKeys ? KEYS : '', ...size });
    if (screen === undefined) context.out(`${text}\n\n`);
    else screen(text);
  };
  if (hasKeys) {
    listenToKeys(
      stdin,
      (key) => {
        if (key === 'q') stop.abort();
        if (key !== 's') return;
        sort = sortKeys[(sortKeys.indexOf(sort) + 1) % sortKeys.length] ?? 'requests';
        show();
      },
      signal,
    );
  }
  const timer = setInterval(() => {
    show();
    shown += 1;
    if (shown === flags.count) stop.abort();
    traffic.tick();
  }, 1000);
  try {
    for await (const { flow: wire, lost_events: lost, node_name: from = '' } of client.flows(query, signal)) {
      if (wire !== undefined) {
        const flow = flowFromWire(wire);
        if (!told.has(flow, from)) traffic.add(flow);
      } else traffic.missed += Number(lost?.num_events_lost ?? 0);
    }
  } finally {
    clearInterval(timer);
    screen?.done();
    client.close();
    stop.abort();
  }
  return 0;
}
