// SPDX-License-Identifier: Apache-2.0
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { FlowJsonReader } from '../../api/flow-json.ts';
import { flowFromWire } from '../../api/flow-from-wire.ts';
import type { WireFlowsResponse } from '../../api/wire.ts';
import type { FlowQuery } from '../../core/flow-filter.ts';
import { flowTest } from '../../core/flow-matches.ts';
import { PerigeeError } from '../../lib/errors.ts';
import { usageError } from './filters.ts';

/** A line longer than this is no flow. */
const MAX_LINE = 1024 * 1024;

async function* linesOf(path: string): AsyncGenerator<string, void, undefined> {
  const input = path === '-' ? process.stdin : createReadStream(path);
  try {
    for await (const line of createInterface({ input, crlfDelay: Infinity })) yield line;
  } catch (cause) {
    throw new PerigeeError('ERR_INPUT_UNREADABLE', `the flows can't be read: ${(cause as Error).message}`, {
      object: path,
      cause,
    });
  }
}

/** Responses of a file that match, losses included, in the order of the file. */
async function* matching(
  path: string,
  query: FlowQuery,
  signal: AbortSignal,
): AsyncGenerator<WireFlowsResponse, void, undefined> {
  const reader = new FlowJsonReader();
  const test = flowTest(query);
  let number = 0;
  for await (const line of linesOf(path)) {
    number += 1;
    if (signal.aborted) return;
    if (line.trim() === '') continue;
    const response = parse(reader, line, `${path}:${String(number)}`);
    if (response.flow === undefined) {
      if (response.lost_events !== undefined) yield response;
    } else if (test({ type: 'flow', uuid: response.flow.uuid ?? '', flow: flowFromWire(response.flow) }))
      yield response;
  }
}

function parse(reader: FlowJsonReader, line: string, place: string): WireFlowsResponse {
  try {
    if (line.length > MAX_LINE) throw new PerigeeError('ERR_FLOW_JSON', 'the line is too long');
    return reader.read(line);
  } catch (error) {
    if (!(error instanceof PerigeeError)) throw error;
    const hint = error.hint === undefined ? {} : { hint: error.hint };
    throw new PerigeeError(error.code, error.message, { ...hint, object: place, cause: error });
  }
}

/** Saved flows, by the same filters and limits as live ones. */
export async function* replay(
  path: string,
  query: FlowQuery,
  signal: AbortSignal,
): AsyncGenerator<WireFlowsResponse, void, undefined> {
  if (query.follow) throw usageError('--input and --follow exclude each other', 'Saved flows have an end');
  const { limit, end } = query;
  if (limit !== undefined && end === 'newest') {
    let kept: WireFlowsResponse[] = [];
    for await (const response of matching(path, query, signal)) {
      kept.push(response);
      // Cut back now and then: dropping one at a time would move all the others each time.
      if (kept.length > 2 * limit + 1000) kept = newest(kept, limit);
    }
    yield* newest(kept, limit);
    return;
  }
  let left = limit ?? Infinity;
  for await (const response of matching(path, query, signal)) {
    yield response;
    if (response.flow !== undefined && (left -= 1) <= 0) return;
  }
}

/** The last `limit` flows and the losses among them. */
function newest(responses: readonly WireFlowsResponse[], limit: number): WireFlowsResponse[] {
  let flows = 0;
  const first = responses.findLastIndex(({ flow }) => flow !== undefined && (flows += 1) >= limit);
  return responses.slice(Math.max(0, first));
}
