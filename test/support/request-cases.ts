// SPDX-License-Identifier: Apache-2.0
import { compile } from '../../src/core/automaton/compile.ts';
import { HeadStatus, RequestHead } from '../../src/core/automaton/executor.ts';
import type { HttpMatch, RuleSet } from '../../src/core/automaton/rules.ts';
import { load } from '../../src/core/automaton/table.ts';
import { describeReject } from '../../src/core/http/reasons.ts';

/** One Allow rule (number 1) with these matches. */
export function allow(...matches: HttpMatch[]): RuleSet {
  return [{ rule: 1, action: 'Allow', matches }];
}

/** What comes of a head under rules: `allow 1`, `deny 0`, `more`, or the name of the reason it is rejected for. */
export function outcome(rules: RuleSet, text: string): string {
  return outcomes(rules)(text);
}

/** As `outcome`, compiled once for many heads. */
export function outcomes(rules: RuleSet): (text: string) => string {
  const head = new RequestHead(load(compile(rules).bytes));
  return (text) => {
    head.reset();
    const bytes = Buffer.from(text, 'latin1');
    const status = head.run(bytes, 0, bytes.length);
    if (status === HeadStatus.NeedMore) return 'more';
    if (status === HeadStatus.Rejected) return describeReject(head.reason).name;
    return `${head.allowed ? 'allow' : 'deny'} ${head.rule}`;
  };
}

/** A complete GET in HTTP/1.1 for a target, with further header lines. */
export function get(target: string, ...lines: string[]): string {
  return ['GET ' + target + ' HTTP/1.1', 'Host: shop.example', ...lines, '', ''].join('\r\n');
}
