// SPDX-License-Identifier: Apache-2.0
import { direction, verdict } from '../core/abi/policy.ts';
import { Offset } from './record-layout.ts';

/** What one end was refused, by numeric names. */
export interface Denials {
  /** Of the side that refused; 0: it is not of this node. */
  readonly workload: number;
  readonly isIngress: boolean;
  /** 0: no rule. */
  readonly rule: number;
  readonly reason: number;
  readonly peerWorkload: number;
  readonly peerIdentity: number;
  count: number;
}

/** Told apart until they are taken; what comes beside counts in metrics and flows alone. */
const MAX_DENIALS = 1024;

/** Adds up what is refused, until somebody takes the sums. */
export class DenialMeter {
  #denials = new Map<string, Denials>();

  /** For FlowStore.onRecord. */
  readonly observe = (bytes: Buffer, at: number): void => {
    if (bytes[at + Offset.verdict] !== verdict.denied) return;
    const isIngress = bytes[at + Offset.direction] === direction.ingress;
    const number = (own: number, other: number): number => bytes.readUInt32LE(at + (isIngress ? own : other));
    const denials = {
      isIngress,
      workload: number(Offset.destinationWorkload, Offset.sourceWorkload),
      rule: number(Offset.ingressRule, Offset.egressRule),
      reason: bytes.readUInt16LE(at + Offset.reason),
      peerWorkload: number(Offset.sourceWorkload, Offset.destinationWorkload),
      peerIdentity: number(Offset.sourceIdentity, Offset.destinationIdentity),
      count: 1,
    };
    const key = Object.values(denials).join(' ');
    const known = this.#denials.get(key);
    if (known !== undefined) known.count += 1;
    else if (this.#denials.size < MAX_DENIALS) this.#denials.set(key, denials);
  };

  take(): readonly Denials[] {
    const taken = [...this.#denials.values()];
    this.#denials = new Map();
    return taken;
  }
}
