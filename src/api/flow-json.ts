// SPDX-License-Identifier: Apache-2.0
import { PerigeeError } from '../lib/errors.ts';
import { observerDefinition } from './definitions.ts';
import { formatTimestamp, fromTimestamp, parseTimestamp, toTimestamp } from './timestamp.ts';
import type { WireFlowsResponse, WireTimestamp } from './wire.ts';

function timeText(timestamp: WireTimestamp | undefined): string | undefined {
  return timestamp === undefined ? undefined : formatTimestamp(fromTimestamp(timestamp));
}

/** A response in protobuf's JSON, as `hubble observe -o jsonpb` prints it. */
export function jsonpbData(response: WireFlowsResponse): object {
  const { flow } = response;
  if (flow === undefined) return { ...response, time: timeText(response.time) };
  const { value = false } = flow.is_reply ?? {};
  return {
    ...response,
    flow: { ...flow, time: timeText(flow.time), is_reply: value },
    time: timeText(response.time),
  };
}

function invalid(message: string): PerigeeError {
  return new PerigeeError('ERR_FLOW_JSON', message, {
    hint: 'Each line is what `perigee observe -o jsonpb`, `hubble observe -o json` or the flow export writes',
  });
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function timestamp(value: unknown): WireTimestamp {
  const time = typeof value === 'string' ? parseTimestamp(value) : undefined;
  if (time === undefined) throw invalid(`not a time: ${JSON.stringify(value)}`);
  return toTimestamp(time);
}

/** Parses lines of saved responses: those that `jsonpbData` made, or Hubble. */
export class FlowJsonReader {
  readonly #definition = observerDefinition()['GetFlows'];

  /** Throws ERR_FLOW_JSON. */
  read(line: string): WireFlowsResponse {
    let data: unknown;
    try {
      data = JSON.parse(line);
    } catch {
      throw invalid('not JSON');
    }
    if (!isObject(data)) throw invalid('not an object');
    // Hubble's oldest files hold the flow itself.
    const { flow, time, ...rest } = 'flow' in data || 'lost_events' in data ? data : { flow: data };
    const response = { ...rest, ...(time === undefined ? {} : { time: timestamp(time) }) };
    if (flow === undefined) return this.#checked(response);
    if (!isObject(flow)) throw invalid('`flow` is not an object');
    const { is_reply: isReply = null, time: flowTime, ...fields } = flow;
    const reply = typeof isReply === 'boolean' ? { is_reply: { value: isReply } } : {};
    return this.#checked({ ...response, flow: { ...fields, time: timestamp(flowTime), ...reply } });
  }

  /** Through the message and back, so that every field has its type, whatever the file says. */
  #checked(response: object): WireFlowsResponse {
    if (this.#definition === undefined) throw new TypeError('no method GetFlows');
    const { responseSerialize, responseDeserialize } = this.#definition;
    try {
      return responseDeserialize(responseSerialize(response)) as WireFlowsResponse;
    } catch (error) {
      throw invalid(error instanceof Error ? error.message : 'not a response');
    }
  }
}
