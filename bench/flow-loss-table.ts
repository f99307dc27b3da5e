// SPDX-License-Identifier: Apache-2.0
import type { Machine } from './machine-use.ts';
import type { Ratio } from './statistics.ts';

/** What wrk sent and what the agent knows of it. */
export interface Tally {
  readonly sent: number;
  readonly recorded: number;
}

export interface FlowLossResults {
  readonly machine: Machine;
  readonly date: string;
  readonly seconds: number;
  /** Allowed and refused requests. */
  readonly requests: Tally;
  readonly denials: Tally;
  /** Records that found a ring full; flows and denials. */
  readonly lost: number;
  readonly lostDenials: number;
  /** Processor time of the agent, of one core. */
  readonly agentShare: number;
  /** Full speed where every request is recorded, by that where only refused ones are. */
  readonly cost: Ratio;
}

export const BARS = { lostShare: 0.001, agentShare: 0.25, cost: 0.9 } as const;

const number = (value: number): string => value.toLocaleString('en');
const percent = (value: number): string => `${(100 * value).toFixed(2)}%`;

/** What is not as it should be. */
export function faults({
  requests,
  denials,
  lost,
  lostDenials,
  agentShare,
  cost,
}: FlowLossResults): string[] {
  return [
    ...(requests.recorded + lost === requests.sent
      ? []
      : [
          `${number(requests.recorded)} recorded and ${number(lost)} lost are not ${number(requests.sent)} sent`,
        ]),
    ...(denials.recorded === denials.sent && lostDenials === 0
      ? []
      : [`${number(denials.recorded)} of ${number(denials.sent)} refusals are recorded`]),
    ...(lost / requests.sent <= BARS.lostShare
      ? []
      : [`${percent(lost / requests.sent)} of the flows are lost`]),
    ...(agentShare <= BARS.agentShare ? [] : [`the agent takes ${percent(agentShare)} of a core`]),
    ...(cost.median >= BARS.cost ? [] : [`the rate is ${cost.median.toFixed(3)} of that without flows`]),
  ];
}

/** The section of docs/performance.md. */
export function renderFlowLoss(results: FlowLossResults): string {
  const { machine, date, seconds, requests, denials, lost, lostDenials, agentShare, cost } = results;
  const rate = Math.round((requests.sent + denials.sent) / seconds);
  return `## Flows of ${number(Math.round(rate / 1000) * 1000)} requests a second

Measured on ${date.slice(0, 10)}: ${String(machine.cores)} cores of ${machine.cpu}, Linux ${machine.kernel}. ${number(rate)} requests a second for ${String(seconds)} s, inline, over 96
connections, some refused; stores and rings at their default sizes. \`make bench-flow-loss\` repeats it.

| | | bar |
| --- | ---: | ---: |
| requests sent by wrk | ${number(requests.sent)} | |
| recorded + lost | ${number(requests.recorded)} + ${number(lost)} | the same |
| refused requests: sent, recorded | ${number(denials.sent)}, ${number(denials.recorded)} (${number(lostDenials)} lost) | the same |
| flows lost | ${percent(lost / requests.sent)} | ${percent(BARS.lostShare)} |
| agent, of one core | ${percent(agentShare)} | ${percent(BARS.agentShare)} |
| full speed, by that with \`requestFlows: refused\` | ${cost.median.toFixed(2)} (${cost.low.toFixed(2)}–${cost.high.toFixed(2)}) | ${String(BARS.cost)} |

The last row compares two nodes of one machine, turn by turn: one records every request, the other only refused ones. It is only as good as
its range is narrow: where it is wide, the machine's own speed changed from turn to turn.
`;
}
