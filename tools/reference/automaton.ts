// SPDX-License-Identifier: Apache-2.0
import { INLINE_LIMITS, PROXY_LIMITS, compile } from '../../src/core/automaton/compile.ts';
import type { HttpMatch, L7Rule, RuleSet } from '../../src/core/automaton/rules.ts';
import { markdownTable, page } from './markdown.ts';

function limitsTable(): string {
  const meanings: Readonly<Record<keyof typeof INLINE_LIMITS, string>> = {
    states: 'of the method, all paths, headers and parameters together, and of the grammar',
    registers:
      'one for the method, one for the path, one per header, parameter or host that rules read, and per lane',
    lanes: 'expressions on one field that run side by side because their union would be far larger',
    decisionWords: 'of the diagram over the registers that yields the verdict',
    bytes: 'of the whole table',
  };
  const rows = Object.entries(meanings).map(([name, meaning]) => {
    const key = name as keyof typeof INLINE_LIMITS;
    return [name, String(INLINE_LIMITS[key]), String(PROXY_LIMITS[key]), meaning];
  });
  return markdownTable(['Budget', 'Kernel', 'Proxy', 'What it counts'], rows);
}

const list = (count: number, match: (index: number) => HttpMatch, action?: 'Deny'): RuleSet =>
  Array.from({ length: count }, (_, index): L7Rule => ({
    rule: index + 1,
    action: action ?? 'Allow',
    matches: [match(index)],
  }));

const expression = (value: string) => ({ type: 'RegularExpression', value }) as const;
const tenant = (index: number) => ({ name: 'x-tenant', type: 'Exact', value: `t${index % 20}` }) as const;

/** What people write, small and large. */
const examples: readonly (readonly [what: string, rules: RuleSet])[] = [
  [
    '1 rule: GET below a prefix',
    list(1, () => ({ methods: ['GET'], path: { type: 'PathPrefix', value: '/a' } })),
  ],
  ['500 exact paths', list(500, (i) => ({ path: { type: 'Exact', value: `/items/${String(i * 7919)}/d` } }))],
  ['300 prefixes', list(300, (i) => ({ path: { type: 'PathPrefix', value: `/svc/${String(i * 104729)}` } }))],
  [
    '200 expressions on paths, each with a header',
    list(200, (i) => ({
      path: expression(`/users/[0-9]+/r${String(i)}/[a-z0-9_-]{3,20}`),
      headers: [tenant(i)],
    })),
  ],
  [
    '1 rule that reads 12 headers and the path',
    list(1, () => ({
      path: { type: 'PathPrefix', value: '/a' },
      headers: Array.from({ length: 12 }, (_, i) => ({ name: `x-${String(i)}`, type: 'Present' as const })),
    })),
  ],
  [
    '1 rule that reads 20 headers',
    list(1, () => ({
      headers: Array.from({ length: 20 }, (_, i) => ({ name: `x-${String(i)}`, type: 'Present' as const })),
    })),
  ],
  ['8 expressions `.*word.*` on the path', list(8, (i) => ({ path: expression(`.*w${String(i)}x.*`) }))],
  ['64 expressions `.*word.*` on the path', list(64, (i) => ({ path: expression(`.*w${String(i)}x.*`) }))],
  ['CONNECT, allowed', list(1, () => ({ methods: ['CONNECT'] }))],
  [
    'WebSocket upgrades, allowed',
    list(1, () => ({ headers: [{ name: 'upgrade', type: 'Exact', value: 'websocket' }] })),
  ],
  ['1 expression that needs 2^17 states', list(1, () => ({ path: expression('/(a|b)*a(a|b){16}') }))],
];

function exampleTable(): string {
  const rows = examples.map(([what, rules]) => {
    const { states, registers, lanes, decisionWords, bytes, notInline, undecidable } = compile(rules);
    const by =
      undecidable !== undefined ? 'proxy, rule by rule' : notInline === undefined ? 'kernel' : 'proxy, table';
    const sizes = [states, registers, lanes, decisionWords, bytes.byteLength];
    return [
      what,
      by,
      ...(undecidable === undefined ? sizes.map(String) : sizes.map(() => '')),
      notInline ?? '',
    ];
  });
  const heading = [
    'Rules',
    'Decided by',
    'States',
    'Registers',
    'Lanes',
    'Decision words',
    'Bytes',
    'Why not the kernel',
  ];
  return markdownTable(heading, rows);
}

export function automatonPage(): string {
  return page('What HTTP rules compile to', 'src/core/automaton', [
    'The HTTP rules of one destination and port compile to one table ([how](../design/automaton.md)). The kernel runs ' +
      'it if it fits the budgets of the kernel, the proxy if it fits those of the proxy; beyond them the proxy compares ' +
      'each request with each rule. What is allowed is the same everywhere: only the cost differs. `perigee explain` says ' +
      'which it is for a connection, and `perigee status` names rules that fit no table.',
    '## Budgets',
    limitsTable(),
    'All tables of a node share 16 MiB in the kernel; one that finds no room is run by the proxy, and `perigee status` says so.',
    '## Examples',
    exampleTable(),
    'Rules that let connections leave HTTP (CONNECT, or a condition on `upgrade`), ports where nothing but policies in ' +
      'Audit mode reads requests, and all `egress` rules with `http` are the proxy’s whatever their size.',
  ]);
}
