// SPDX-License-Identifier: Apache-2.0
import type { FlowStore } from '../observability/flow-store.ts';
import type { ProxyClient } from './proxy-client.ts';

/** Between two attempts to reach the proxy's stream of flows, ms. */
const RETRY_MS = 250;

/** Keeps the stores fed with what the proxy records, through restarts of either. */
export function followProxy(client: ProxyClient, flows: FlowStore, signal: AbortSignal): void {
  const follow = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        await client.followFlows(
          {
            onRecords: (bytes, offsets) => flows.append(bytes, offsets),
            onLost: (count) => flows.lost('proxy', count),
          },
          signal,
        );
      } catch {
        // Away or replaced: the supervisor reports it; here it is only tried again.
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  };
  void follow();
}
