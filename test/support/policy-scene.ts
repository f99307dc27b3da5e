// SPDX-License-Identifier: Apache-2.0
import { isIP } from 'node:net';
import type { Endpoint, Question } from '../../src/core/policy/verdict.ts';
import type { World } from '../../src/core/policy/world.ts';
import type { Scene } from './policy-arbitrary.ts';
import type { OracleQuestion } from './policy-oracle.ts';
import { buildWorld } from './one-world.ts';

export function worldOf({ resources, addresses, node }: Scene): World {
  const found = new Map([...addresses].map(([key, address]) => [key, [address]]));
  return buildWorld({ resources, addresses: found, nodeAddresses: [node] });
}

function endpoint(text: string): Endpoint {
  return isIP(text) === 0 ? { workload: text } : { address: text };
}

/** The oracle's question in the evaluator's form. */
export function questionOf({ source, destination, ...rest }: OracleQuestion): Question {
  return { ...rest, source: endpoint(source), destination: endpoint(destination) };
}
