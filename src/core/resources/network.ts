// SPDX-License-Identifier: Apache-2.0
import { isIP } from 'node:net';
import * as z from 'zod';
import { contains, formatPrefix, hasHostBits, parsePrefix } from '../identity/prefix.ts';
import { cel, type CelRule, type Finding } from './check.ts';

/** RFC 6335 service name, as Kubernetes names ports. */
export const portName = z
  .string()
  .regex(
    /^([a-z0-9]+-)*[0-9]*[a-z][a-z0-9]*(-[a-z0-9]+)*$/,
    'must be lower-case letters, digits and single `-`, with at least one letter',
  )
  .max(15, 'must be at most 15 characters long');

export const portNumber = z
  .int('must be a port number from 1 to 65535')
  .min(1, 'must be a port number from 1 to 65535')
  .max(65535, 'must be a port number from 1 to 65535');

export const portNumberOrName = z.union([portNumber, portName], {
  error: 'must be a port number from 1 to 65535, or the name of a port of the workload in lower case',
});

export const protocol = z
  .enum(['TCP', 'UDP', 'SCTP'])
  .refine((value) => value !== 'SCTP', {
    message: 'SCTP is not supported',
    params: { hint: 'use TCP or UDP' },
  })
  .meta(cel({ rule: "self != 'SCTP'", message: 'SCTP is not supported: use TCP or UDP' }));

export const cidr = z
  .string()
  .refine((text) => parsePrefix(text) !== undefined, 'must be a CIDR such as `10.0.0.0/8` or `fd00::/8`');

/** A CIDR whose address is the block's first one; anything else is more likely a slip than meant. */
export const exactCidr = cidr
  .max(49, 'must be at most 49 characters long')
  .refine((text) => !hasHostBits(text), {
    error: (issue) => {
      const prefix = parsePrefix(String(issue.input));
      const block = prefix === undefined ? '' : `: did you mean \`${formatPrefix(prefix)}\`?`;
      return `has address bits beyond its length${block}`;
    },
  })
  .meta({ format: 'cidr' });

export const ipAddress = z.string().refine((text) => isIP(text) !== 0 && !text.includes('%'), {
  message: 'must be an IPv4 or IPv6 address without a prefix length',
});

/** What `checkPortRange` finds. */
export const portRangeRule: CelRule = {
  rule: '!has(self.endPort) || has(self.port) && type(self.port) == int && self.endPort >= self.port',
  message: '`endPort` needs a `port` that is a number and not above it',
};

/** Findings for a `port`/`endPort` pair. */
export function* checkPortRange(entry: {
  readonly port?: number | string;
  readonly endPort?: number;
}): Generator<Finding> {
  const { port, endPort } = entry;
  if (endPort === undefined) return;
  if (port === undefined) yield { path: ['endPort'], message: 'needs `port`, the first port of the range' };
  else if (typeof port === 'string') yield { path: ['endPort'], message: 'cannot follow a named port' };
  else if (endPort < port) yield { path: ['endPort'], message: `is below \`port\` (${port})` };
}

/** Findings for exceptions that lie outside of every block they are meant to narrow. */
export function* checkExcept(
  blocks: readonly string[],
  except: readonly string[],
  path: readonly string[],
): Generator<Finding> {
  const outer = blocks.map(parsePrefix).filter((block) => block !== undefined);
  for (const [index, text] of except.entries()) {
    const inner = parsePrefix(text);
    if (inner === undefined || outer.some((block) => contains(block, inner))) continue;
    yield { path: [...path, index], message: `is not inside ${blocks.join(' or ') || 'any block'}` };
  }
}
