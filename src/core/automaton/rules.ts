// SPDX-License-Identifier: Apache-2.0

/** How a path is compared; names and meaning of Gateway API. */
export interface PathMatch {
  readonly type: 'Exact' | 'PathPrefix' | 'RegularExpression';
  readonly value: string;
}

/** How one header or query parameter is compared; `Present` takes no value. */
export interface NamedMatch {
  readonly name: string;
  readonly type: 'Exact' | 'RegularExpression' | 'Present';
  readonly value?: string;
}

/** All fields must hold; an absent field always holds. The meaning is written down in docs/design/automaton.md. */
export interface HttpMatch {
  /** Case-sensitive. Absent: every method but CONNECT (for Deny: every method). */
  readonly methods?: readonly string[];
  readonly path?: PathMatch;
  /** Any of these: exact names or `*.suffix`; case and a trailing dot don't matter, the port is not compared. */
  readonly host?: readonly string[];
  readonly headers?: readonly NamedMatch[];
  readonly queryParams?: readonly NamedMatch[];
}

export interface L7Rule {
  /** Opaque, non-zero, fits 32 bits unsigned; handed back as the deciding rule. */
  readonly rule: number;
  readonly action: 'Allow' | 'Deny';
  /** Any of these; empty: every request (for Allow: but CONNECT and upgrades, which must be named). */
  readonly matches: readonly HttpMatch[];
  /** Of a policy in Audit mode: what it would refuse is reported and passes. */
  readonly audit?: boolean;
}

/** Deny wins over Allow, order means nothing, nothing matching refuses with rule 0. */
export type RuleSet = readonly L7Rule[];
