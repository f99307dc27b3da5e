// SPDX-License-Identifier: Apache-2.0
import { flowFromWire } from '../../api/flow-from-wire.ts';
import type { Explanation } from '../../api/ports.ts';
import type { Flow } from '../../core/flow.ts';
import { PerigeeError } from '../../lib/errors.ts';
import { type Agents, connectAgents, type ConnectionFlags } from '../agents.ts';
import type { CliContext, ExitCode } from '../context.ts';
import { createStyle } from '../printers/style.ts';
import { questionOf, whyText } from '../printers/why.ts';
import { inCluster } from '../cluster/flags.ts';
import { type FilterFlags, queryFromFlags, usageError } from './filters.ts';
import { replay } from './replay.ts';
import { type FlowFormat, flowPrinter } from './outputs.ts';

export interface ObserveFlags extends FilterFlags, ConnectionFlags {
  readonly output: FlowFormat;
  readonly color: boolean;
  readonly why?: boolean;
  /** Saved flows instead of an agent's. */
  readonly input?: string;
}

/** The agent may not know the ends of an old flow any more; then the flow's own record has to do. */
async function explanationOf(flow: Flow, client: Agents): Promise<Explanation | undefined> {
  try {
    return await client.explain(questionOf(flow));
  } catch (error) {
    if (error instanceof PerigeeError) return undefined;
    throw error;
  }
}

/** Prints the flows that the flags ask for, as they come. */
export async function observe(typed: ObserveFlags, context: CliContext): Promise<ExitCode> {
  const flags = await inCluster(typed);
  const query = queryFromFlags(flags, context.now());
  if (flags.why === true && flags.output !== 'table' && flags.output !== 'wide') {
    throw usageError(`--why can't be printed as ${flags.output}`, 'Use -o table or -o wide');
  }
  const style = createStyle(context.color && flags.color);
  const print = flowPrinter(flags.output, style);
  if (flags.input !== undefined && flags.why === true)
    throw usageError('--why needs the agent', 'Leave it out, or --input');
  const client = flags.input === undefined ? await connectAgents(flags, context) : undefined;
  const responses = client?.flows(query, context.signal) ?? replay(flags.input ?? '-', query, context.signal);
  let seen = 0;
  try {
    for await (const response of responses) {
      const text = await print(response);
      if (response.flow === undefined) {
        // Losses are no flows: tables keep them out of the way of pipes.
        if (flags.output === 'table' || flags.output === 'wide') context.err(text);
        else context.out(text);
        continue;
      }
      seen += 1;
      context.out(text);
      await context.flushed();
      if (client === undefined || flags.why !== true) continue;
      const flow = flowFromWire(response.flow);
      context.out(whyText(flow, await explanationOf(flow, client), style));
    }
  } finally {
    client?.close();
  }
  return seen > 0 ? 0 : nothingSeen(typed, flags, context);
}

/** Says why there may be nothing to see, and whether that is an answer. */
function nothingSeen(typed: ObserveFlags, flags: ObserveFlags, context: CliContext): ExitCode {
  if (typed.namespace === undefined && flags.namespace !== undefined)
    context.err(`no flows in the namespace ${flags.namespace}; -A looks in all of them\n`);
  if (flags.reference === undefined) return 0;
  context.err(
    `no flow with reference ${flags.reference.join(', ')}: it is of another node, or no longer stored\n`,
  );
  return 1;
}
