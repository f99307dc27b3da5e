// SPDX-License-Identifier: Apache-2.0

/** Why the evaluator allowed or refused. A closed set; a name is never given a new meaning. */
export const decisionReasons = [
  'AllowedNoPolicy',
  'AllowedByRule',
  'AllowedSelf',
  'AllowedNode',
  'RequestsDecide',
  'DeniedByRule',
  'DeniedByDefault',
  'RequestDeniedByRule',
  'RequestDeniedByDefault',
] as const;

export type DecisionReason = (typeof decisionReasons)[number];
