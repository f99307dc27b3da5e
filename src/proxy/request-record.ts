// SPDX-License-Identifier: Apache-2.0
import { flowKind } from '../core/abi/flow.ts';
import { verdict } from '../core/abi/policy.ts';
import { reason } from '../core/abi/reason.ts';
import type { Context } from './context.ts';
import type { CurrentRequest } from './current-request.ts';
import type { Session } from './session.ts';

/**
 * One record and one count per request, whoever answered it. `why` is an enum reason, 0: allowed and answered.
 * `madeUp`: bytes of the proxy's own answer, which carries the reference made last; 0: the server answered.
 */
export function recordRequest(
  context: Context,
  session: Session,
  request: CurrentRequest,
  why: number,
  madeUp: number,
): void {
  const facts = context.flows.begin(flowKind.request);
  facts.reason = why;
  facts.status = request.status;
  facts.verdict = verdictOf(why, request.audited);
  facts.egressRule = request.egressRule;
  facts.ingressRule = request.ingressRule;
  facts.direction = request.refusingSide;
  facts.durationNs = context.nowNs - request.startNs;
  facts.bytesSent = request.bytesSent;
  facts.bytesReceived = madeUp > 0 ? madeUp : request.bytesReceived;
  if (madeUp > 0) {
    facts.referenceLow = context.refusals.referenceLow;
    facts.referenceHigh = context.refusals.referenceHigh;
  }
  request.describe(facts);
  context.flows.write(session.template, context.nowNs);
  context.counters.request(session.route.meter, request.method, request.status, facts.durationNs);
  if (request.isGrpc) context.counters.call(session.route.meter, request.grpcStatus);
  if (why !== reason.none) context.counters.drop(why);
}

/** Denied: refused by policy or grammar. Error: allowed, and failed for another reason. */
export function verdictOf(why: number, isAudited: boolean): number {
  if (why === reason.none) return isAudited ? verdict.audited : verdict.allowed;
  if (why === reason['http-response-malformed'] || why >= reason['not-steered']) return verdict.error;
  return verdict.denied;
}
