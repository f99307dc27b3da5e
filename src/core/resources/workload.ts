// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';
import { type Finding, findings } from './check.ts';
import { dnsSubdomain, namespacedMetadata } from './metadata.ts';
import { ipAddress, portName, portNumber, protocol } from './network.ts';

const climbs = (path: string): boolean => path.split('/').some((part) => part === '..' || part === '.');

const namedPort = z.strictObject({
  name: portName.describe('Name that policies may use instead of the number.'),
  port: portNumber.describe('Port number, 1 to 65535.'),
  protocol: protocol.default('TCP').describe('`TCP` or `UDP`. Default: `TCP`.'),
});

const spec = z
  .strictObject({
    netns: z
      .string()
      .regex(/^(\/.*[^/]|[^/\0]+)$/, 'must be a name under /var/run/netns or an absolute path')
      .refine((path) => !climbs(path), 'must not contain `.` or `..`')
      .exactOptional()
      .describe(
        'Network namespace: a name under /var/run/netns, or an absolute path. Governed in both directions.',
      ),
    cgroup: z
      .string()
      .regex(
        /^\/?[^/\0]+(\/[^/\0]+)*$/,
        'must be a path below the root of cgroup2, such as `system.slice/shop.service`',
      )
      .refine((path) => !climbs(path), 'must not contain `.` or `..`')
      .exactOptional()
      .describe('Cgroup: a path below the root of cgroup2. Governed on egress only.'),
    serviceAccount: dnsSubdomain.default('default').describe('Service account. Default: `default`.'),
    addresses: z
      .array(ipAddress)
      .default([])
      .describe(
        'Addresses besides those found in the network namespace. Without `netns` and `cgroup`: those of a workload on ' +
          'another host, which is known here as a peer. Default: none.',
      ),
    ports: z.array(namedPort).default([]).describe('Ports that policies may call by name. Default: none.'),
    probes: z
      .array(portNumber)
      .default([])
      .describe(
        'TCP ports that this host may connect to whatever the policies, unless a rule denies it by name: those of ' +
          'health checks. Default: none.',
      ),
  })
  .check(
    findings(function* ({ netns, cgroup, addresses, ports }): Generator<Finding> {
      // Without either it lives on another host, and is known by its addresses.
      if (netns === undefined && cgroup === undefined && addresses.length === 0) {
        yield { path: [], message: 'must have either `netns` or `cgroup`', hint: 'add `netns: <name>`' };
      }
      if (netns !== undefined && cgroup !== undefined) {
        yield { path: ['cgroup'], message: 'must not stand beside `netns`', hint: 'keep one of the two' };
      }
      const seen = new Set<string>();
      for (const [index, { name }] of ports.entries()) {
        if (seen.has(name)) yield { path: ['ports', index, 'name'], message: `\`${name}\` is there twice` };
        seen.add(name);
      }
    }),
  );

export const workloadSchema = z.strictObject({
  apiVersion: z.literal('perigee.dev/v1alpha1').describe('`perigee.dev/v1alpha1`.'),
  kind: z.literal('Workload').describe('`Workload`.'),
  metadata: namespacedMetadata.describe('Name, namespace and the labels that selectors see.'),
  spec: spec.describe('Where the workload lives and who it is.'),
});

export type WorkloadResource = z.infer<typeof workloadSchema>;
