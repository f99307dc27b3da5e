// SPDX-License-Identifier: Apache-2.0
import type { Flow } from '../../core/flow.ts';
import { formatTimestamp, fromTimestamp } from '../../api/timestamp.ts';
import type { WireFlowsResponse, WireTimestamp } from '../../api/wire.ts';

/** A flow as plain data: its time in RFC 3339, everything else as in the sources. */
export function flowData(flow: Flow): object {
  return { ...flow, time: formatTimestamp(flow.time) };
}

function time(timestamp: WireTimestamp | undefined): string | undefined {
  return timestamp === undefined ? undefined : formatTimestamp(fromTimestamp(timestamp));
}

/** A response in protobuf's JSON, as `hubble observe -o jsonpb` prints it. */
export function jsonpbData(response: WireFlowsResponse): object {
  const { flow } = response;
  if (flow === undefined) return { ...response, time: time(response.time) };
  const { value = false } = flow.is_reply ?? {};
  return {
    ...response,
    flow: { ...flow, time: time(flow.time), is_reply: value },
    time: time(response.time),
  };
}
