// SPDX-License-Identifier: Apache-2.0
import type { RuleSet } from '../core/automaton/rules.ts';
import { type HeadTable, load } from '../core/automaton/table.ts';
import { Mode, type Row, type Ruling } from './policy.ts';
import { DirectRules } from './direct-rules.ts';

/** A rule list as the configuration carries it; plain data, crosses threads. */
export interface RequestRulesData {
  /** Table bytes. */
  readonly table: ArrayBufferLike;
  readonly readHeaders: readonly string[];
  readonly defaultDeny: number;
  readonly http2?: true | undefined;
  readonly rules?: RuleSet | undefined;
}

/** A rule list, ready to judge requests. */
export interface RequestRules {
  readonly table: HeadTable;
  /** Header names that enforced rules read: refused as trailers. */
  readonly readHeaders: readonly string[];
  /** Rule under which a request is reported that no rule would allow. */
  readonly defaultDeny: number;
  /** Null: the table decides everything. */
  readonly direct: DirectRules | null;
  /** Requests may come over HTTP/2, too. */
  readonly http2: boolean;
}

/** @param loaded a table of these bytes, if there is one already */
export function loadRules(data: RequestRulesData, loaded?: HeadTable): RequestRules {
  const { table: bytes, readHeaders, defaultDeny, http2 = false, rules } = data;
  const table = loaded ?? load(new Uint8Array(bytes));
  return {
    table,
    readHeaders,
    defaultDeny,
    http2,
    direct: rules === undefined ? null : new DirectRules(rules, table),
  };
}

/** The rule lists that rulings point to. */
export class RuleLists {
  private readonly lists: readonly RequestRules[];
  private readonly trailers = new Map<number, readonly string[]>();

  constructor(lists: readonly RequestRules[]) {
    this.lists = lists;
  }

  get size(): number {
    return this.lists.length;
  }

  at(index: number): RequestRules | undefined {
    return this.lists[index];
  }

  /** Each side that reads requests must say that HTTP/2 is spoken: the other one may be asked on another node. */
  takesHttp2({ mode, egress, ingress }: Ruling): boolean {
    return mode === Mode.http && this.isTakenBy(egress) && this.isTakenBy(ingress);
  }

  /** A connection may go on as HTTP/2: that is spoken, or no side reads requests any more. */
  keepsHttp2(ruling: Ruling): boolean {
    return ruling.mode !== Mode.http || this.takesHttp2(ruling);
  }

  private isTakenBy({ mode, automaton }: Row): boolean {
    return mode !== Mode.http || this.at(automaton)?.http2 === true;
  }

  /** Header names that either side reads; the same array for the same sides. */
  readHeaders({ egress, ingress }: Ruling): readonly string[] {
    const key = (egress.automaton + 1) * (this.lists.length + 1) + ingress.automaton + 1;
    let names = this.trailers.get(key);
    if (names === undefined) {
      const sides = [this.at(egress.automaton), this.at(ingress.automaton)];
      names = [...new Set(sides.flatMap((side) => side?.readHeaders ?? []))];
      this.trailers.set(key, names);
    }
    return names;
  }
}
