// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';
import { type Finding, findings } from './check.ts';
import { labelSelector } from './label-selector.ts';
import { namespacedMetadata } from './metadata.ts';
import { checkExcept, checkPortRange, cidr, portNumber, portNumberOrName, protocol } from './network.ts';

const ipBlock = z
  .strictObject({
    cidr: cidr.describe('Addresses in this block.'),
    except: z.array(cidr).exactOptional().describe('Blocks inside `cidr` that are left out. Default: none.'),
  })
  .check(findings((block) => checkExcept([block.cidr], block.except ?? [], ['except'])));

const peer = z
  .strictObject({
    podSelector: labelSelector
      .exactOptional()
      .describe(
        "Workloads with these labels, in the policy's namespace unless `namespaceSelector` says otherwise.",
      ),
    namespaceSelector: labelSelector.exactOptional().describe('Workloads in namespaces with these labels.'),
    ipBlock: ipBlock.exactOptional().describe('Addresses, those of workloads included; stands alone.'),
  })
  .check(
    findings(function* (value): Generator<Finding> {
      const fields = Object.keys(value);
      if (fields.length === 0) {
        yield { path: [], message: 'is empty', hint: 'leave the whole list out to mean every peer' };
      }
      if (value.ipBlock !== undefined && fields.length > 1) {
        yield {
          path: ['ipBlock'],
          message: 'must not stand beside selectors',
          hint: 'make it a peer of its own',
        };
      }
    }),
  );

const port = z
  .strictObject({
    protocol: protocol.default('TCP').describe('`TCP` or `UDP`. Default: `TCP`.'),
    port: portNumberOrName
      .exactOptional()
      .describe('Port number, or name of a port of the workload that is connected to. Default: every port.'),
    endPort: portNumber
      .exactOptional()
      .describe('Last port of the range that begins at `port`. Default: `port`.'),
  })
  .check(findings(checkPortRange));

const ports = z
  .array(port)
  .exactOptional()
  .describe('Ports, any of these. Default, and if empty: every port.');

export const networkPolicySchema = z.strictObject({
  apiVersion: z.literal('networking.k8s.io/v1').describe('`networking.k8s.io/v1`.'),
  kind: z.literal('NetworkPolicy').describe('`NetworkPolicy`.'),
  metadata: namespacedMetadata.describe('Name, and the namespace whose workloads it governs.'),
  spec: z
    .strictObject({
      podSelector: labelSelector
        .default({})
        .describe('Workloads that the policy governs, by label. Default: all of the namespace.'),
      policyTypes: z
        .array(z.enum(['Ingress', 'Egress']))
        .exactOptional()
        .describe('Directions governed. Default: `Ingress`, and `Egress` if there are egress rules.'),
      ingress: z
        .array(
          z.strictObject({
            from: z
              .array(peer)
              .exactOptional()
              .describe('Who connects, any of these. Default, and if empty: everyone.'),
            ports,
          }),
        )
        .exactOptional()
        .describe('What may connect to the workloads. Default: nothing, where Ingress is governed.'),
      egress: z
        .array(
          z.strictObject({
            to: z
              .array(peer)
              .exactOptional()
              .describe('Who is connected to, any of these. Default, and if empty: everyone.'),
            ports,
          }),
        )
        .exactOptional()
        .describe('What the workloads may connect to. Default: nothing, where Egress is governed.'),
    })
    .describe('Whom it governs and what it allows.'),
});

export type NetworkPolicyResource = z.infer<typeof networkPolicySchema>;
export type NetworkPolicyPeer = z.infer<typeof peer>;
export type NetworkPolicyPort = z.infer<typeof port>;
