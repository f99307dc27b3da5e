// SPDX-License-Identifier: Apache-2.0
import { HeadStatus } from '../../core/automaton/executor.ts';
import { reason } from '../../core/abi/reason.ts';
import { rejectReason } from '../../core/http/reject-reason.ts';
import type { Context } from '../context.ts';
import type { CurrentRequest } from '../current-request.ts';
import { Mode } from '../policy.ts';
import type { Session } from '../session.ts';

/**
 * What the policy in force says of a request, by its head in HTTP/1's form: enum reason, 0: it may pass. `request` takes
 * the facts.
 */
export function judgeHead(context: Context, session: Session, request: CurrentRequest, head: Buffer): number {
  const ruling = session.route.rulingOf(context.policy);
  request.forget();
  if (ruling.mode === Mode.deny) return ruling.reason;
  const gate = context.gates.current;
  gate.begin(context.rules, ruling);
  const status = gate.run(head, 0, head.length);
  if (status === HeadStatus.Rejected) return rejectReason(gate.head.reason);
  // A value that ended the head early would hide the rest from policy.
  if (status !== HeadStatus.Done || gate.head.position !== head.length) return reason['http-malformed'];
  gate.judge(head, 0);
  request.judged(gate, head, 0);
  // A tunnel is no stream of requests.
  if (gate.head.isConnect || gate.head.upgrade) return reason['http-upgrade-refused'];
  return gate.allowed ? reason.none : gate.denial;
}
