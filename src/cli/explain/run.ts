// SPDX-License-Identifier: Apache-2.0
import { AgentClient } from '../../api/client.ts';
import type { CliContext, ExitCode } from '../context.ts';
import { decisionText } from '../printers/decision.ts';
import { jsonText, yamlText } from '../printers/structured.ts';
import { createStyle } from '../printers/style.ts';
import { type QuestionFlags, questionFromFlags } from './question.ts';

export interface ExplainFlags extends QuestionFlags {
  readonly output: string;
  readonly color: boolean;
  readonly socket: string;
}

/** Asks the agent and prints its answer; 1 when it is Deny. */
export async function explain(
  from: string,
  to: string,
  flags: ExplainFlags,
  context: CliContext,
): Promise<ExitCode> {
  const question = questionFromFlags(from, to, flags);
  const client = await AgentClient.connect(flags.socket);
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
