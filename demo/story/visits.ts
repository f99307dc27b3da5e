// SPDX-License-Identifier: Apache-2.0
import type { LabHost } from '../../test/support/lab.ts';
import { type Attempt, connectTcp, curl, urlOf } from '../probe.ts';
import { API_PORT, LEDGER_PORT, type Shop, WEB_PORT } from '../shop.ts';
import type { Stage } from '../stage.ts';

/** Something that is tried before and after Perigee governs, over IPv4 and IPv6. */
export interface Visit {
  readonly what: string;
  /** Outcome without and with policy. */
  readonly before: string;
  readonly after: string;
  /** With policy in force and nobody there who could answer a refused request; absent: the same. */
  readonly withoutAgent?: string;
  /** `more`: arguments of curl. */
  readonly attempt: (shop: Shop, family: 4 | 6, more?: readonly string[]) => Attempt;
}

const addressOf = (host: LabHost, family: 4 | 6): string => (family === 4 ? host.address4 : host.address6);

const asks =
  (from: 'visitor' | 'intruder', to: 'web' | 'api', path: string, data: readonly string[] = []) =>
  (shop: Shop, family: 4 | 6, more: readonly string[] = []): Attempt => {
    const port = to === 'web' ? WEB_PORT : API_PORT;
    return curl(shop.lab, shop[from], urlOf(addressOf(shop[to], family), port, path), [...data, ...more]);
  };

export const forbiddenVisit: Visit = {
  what: 'intruder → api GET /admin/customers',
  before: '200',
  after: '403',
  withoutAgent: 'timed out',
  attempt: asks('intruder', 'api', '/admin/customers'),
};

export const visits: readonly Visit[] = [
  {
    what: 'visitor → web → api → ledger GET /orders',
    before: '200',
    after: '200',
    attempt: asks('visitor', 'web', '/orders'),
  },
  {
    what: 'visitor → web → api → ledger POST /orders',
    before: '201',
    after: '201',
    attempt: asks('visitor', 'web', '/orders', ['-d', '1 chair']),
  },
  {
    what: 'visitor → web GET /admin/customers',
    before: '200',
    after: '403',
    withoutAgent: 'timed out',
    attempt: asks('visitor', 'web', '/admin/customers'),
  },
  {
    what: 'intruder → api GET /catalog',
    before: '200',
    after: '200',
    attempt: asks('intruder', 'api', '/catalog'),
  },
  forbiddenVisit,
  {
    what: 'intruder → ledger connect',
    before: 'connected',
    after: 'refused (EPERM)',
    attempt: (shop, family) =>
      connectTcp(shop.lab, shop.intruder, addressOf(shop.ledger, family), LEDGER_PORT),
  },
];

/** Makes all visits and shows each command with what came of it. */
export function makeVisits(stage: Stage, when: 'before' | 'after'): void {
  for (const visit of visits) {
    for (const family of [4, 6] as const) {
      const attempt = visit.attempt(stage.shop, family);
      stage.screen.command(attempt.command);
      if (attempt.said !== '') stage.screen.output(clipped(attempt.said));
      stage.expect(when, `${visit.what}, IPv${family}`, visit[when], attempt.outcome);
      if (attempt.outcome.startsWith('refused')) stage.screen.output(`after ${attempt.ms.toFixed(0)} ms`);
    }
  }
}

function clipped(line: string): string {
  return line.length <= 110 ? line : `${line.slice(0, 109)}…`;
}
