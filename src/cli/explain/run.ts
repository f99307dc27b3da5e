// SPDX-License-Identifier: Apache-2.0
import { parseAddress } from '../../core/identity/address.ts';
import { connectAgents, type ConnectionFlags, meansCluster } from '../agents.ts';
import type { CliContext, ExitCode } from '../context.ts';
import { decisionText } from '../printers/decision.ts';
import { jsonText, yamlText } from '../printers/structured.ts';
import { createStyle } from '../printers/style.ts';
import { type QuestionFlags, questionFromFlags } from './question.ts';

export interface ExplainFlags extends QuestionFlags, ConnectionFlags {
  readonly namespace?: string;
  readonly output: string;
  readonly color: boolean;
}

/** In a cluster a resource means one of its pods, which are governed alike, and a name alone is in the namespace. */
async function meant(end: string, flags: ExplainFlags): Promise<string> {
  if (!meansCluster(flags) || parseAddress(end) !== undefined) return end;
  const { clusterNames } = await import('../cluster/flags.ts');
  const { namespace, podsOf } = await clusterNames(flags);
  const [pod = end] = await podsOf(end);
  return pod.includes('/') ? pod : `${namespace}/${pod}`;
}

/** Asks the agent and prints its answer; 1 when it is Deny. */
export async function explain(
  from: string,
  to: string,
  flags: ExplainFlags,
  context: CliContext,
): Promise<ExitCode> {
  const [source, destination] = await Promise.all([from, to].map((end) => meant(end, flags)));
  const question = questionFromFlags(source ?? from, destination ?? to, flags);
  const client = await connectAgents(flags, context);
  try {
    const explanation = await client.explain(question);
    if (flags.output === 'json') context.out(`${jsonText({ question, ...explanation }, 2)}\n`);
    else if (flags.output === 'yaml') context.out(await yamlText({ question, ...explanation }));
    else context.out(decisionText(question, explanation, createStyle(context.color && flags.color)));
    return explanation.decision.verdict === 'Allow' ? 0 : 1;
  } finally {
    client.close();
  }
}
