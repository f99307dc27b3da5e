// SPDX-License-Identifier: Apache-2.0
import type { LabHost } from '../../test/support/lab.ts';
import { PLAIN_PORT } from '../cases.ts';
import { addMachine, type Network, startServer } from '../network.ts';
import type { BenchPath } from '../path.ts';

/** Client and server that Perigee doesn't know, for the bare path and the peers. */
export interface PlainPair {
  readonly client: LabHost;
  readonly server: LabHost;
  /** The machine that reverse proxies run on. */
  readonly middle: LabHost;
}

export async function createPlainPair(network: Network): Promise<PlainPair> {
  const pair = {
    client: addMachine(network, 'client'),
    server: addMachine(network, 'server'),
    middle: addMachine(network, 'middle'),
  };
  await startServer(network, pair.server);
  return pair;
}

export function barePath(network: Network, { client, server }: PlainPair): BenchPath {
  return {
    name: 'bare',
    authority: `${server.address4}:${PLAIN_PORT}`,
    start: (command) => network.start(client, command),
    isRuled: false,
    middle: () => [],
  };
}
