// SPDX-License-Identifier: Apache-2.0
import { evaluateHttp, type HttpRequest } from '../core/automaton/evaluate.ts';
import type { RequestHead } from '../core/automaton/executor.ts';
import { HeaderWord, TableFlag } from '../core/automaton/format.ts';
import type { RuleSet } from '../core/automaton/rules.ts';
import type { HeadTable } from '../core/automaton/table.ts';
import { Reject } from '../core/http/reasons.ts';
import { Patterns } from '../core/regex/patterns.ts';

/** Steps of expressions for one request; some tens of ms. More would hold up the other connections. */
const MAX_STEPS = 2_000_000;

/** What rules that fit no table come to. */
export interface DirectVerdict {
  readonly allowed: boolean;
  /** The deciding rule, 0: none. */
  readonly rule: number;
  /** To find out would have taken too long: then nothing is allowed. */
  readonly tooComplex: boolean;
}

/** Rules evaluated over a head's text, for what their table leaves undecided. */
export class DirectRules {
  /** The table has no verdict. */
  readonly decides: boolean;
  /** The table does not say what rules in Audit mode would refuse. */
  readonly reports: boolean;
  private readonly all: RuleSet;
  private readonly enforced: RuleSet;
  private readonly patterns = new Patterns(MAX_STEPS);

  constructor(rules: RuleSet, table: HeadTable) {
    const flags = table.header[HeaderWord.Flags] ?? 0;
    this.decides = (flags & TableFlag.Undecided) !== 0;
    this.reports = (flags & TableFlag.AuditUndecided) !== 0;
    this.all = rules;
    this.enforced = rules.filter(({ audit }) => audit !== true);
  }

  /** The verdict of what is enforced; with `audit`, as if everything were. The head lies at `start` of `bytes`. */
  verdict(head: RequestHead, bytes: Uint8Array, start: number, audit: boolean): DirectVerdict {
    const { patterns } = this;
    patterns.begin();
    const rules = audit ? this.all : this.enforced;
    const { allowed, reject, rule } = evaluateHttp(rules, requestOf(head, bytes, start), patterns);
    if (patterns.isExhausted) return { allowed: false, rule: 0, tooComplex: true };
    return { allowed: allowed && reject === Reject.None, rule, tooComplex: false };
  }
}

function requestOf(head: RequestHead, bytes: Uint8Array, start: number): HttpRequest {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, head.length).toString('latin1');
  // The request line first, and two empty ones behind the last line end.
  const lines = text.split('\r\n').slice(1, -2);
  return {
    method: text.slice(0, head.methodEnd),
    target: text.slice(head.targetStart, head.targetEnd),
    headers: lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon), line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')];
    }),
  };
}
