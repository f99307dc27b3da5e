// SPDX-License-Identifier: Apache-2.0
import { flowKind } from '../../core/abi/flow.ts';
import { type DirectionName, directionNames, verdict } from '../../core/abi/policy.ts';
import { Offset } from '../record-layout.ts';

/** Requests that one rule in Audit mode would have refused. */
export interface AuditTotals {
  readonly rule: number;
  readonly direction: DirectionName;
  readonly count: number;
}

/** Counts audited requests by the rule that would refuse them. Connections are counted in the kernel. */
export class AuditMeter {
  /** Keys are rule × 2, plus 1 for ingress; there are as many as policies have rules. */
  readonly #counts = new Map<number, number>();

  /** For FlowStore.onRecord. */
  readonly observe = (bytes: Buffer, at: number): void => {
    if (bytes[at + Offset.kind] !== flowKind.request || bytes[at + Offset.verdict] !== verdict.audited)
      return;
    const isIngress = directionNames[bytes[at + Offset.direction] ?? 0] === 'ingress';
    const rule = bytes.readUInt32LE(at + (isIngress ? Offset.ingressRule : Offset.egressRule));
    const key = rule * 2 + (isIngress ? 1 : 0);
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  };

  totals(): readonly AuditTotals[] {
    return [...this.#counts].map(([key, count]) => ({
      rule: Math.floor(key / 2),
      direction: key % 2 === 1 ? 'ingress' : 'egress',
      count,
    }));
  }
}
