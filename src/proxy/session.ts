// SPDX-License-Identifier: Apache-2.0
import type { Route } from './route.ts';

/** What is fixed about an accepted connection. */
export interface Session {
  readonly client: number;
  readonly route: Route;
  /** Whom the server sees. */
  readonly clientAddress: Uint8Array;
  readonly clientPort: number;
  /** struct flow_record with this connection's constant parts. */
  readonly template: Uint8Array;
}
