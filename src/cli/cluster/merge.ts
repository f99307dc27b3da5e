// SPDX-License-Identifier: Apache-2.0
import type { WireFlowsResponse } from '../../api/wire.ts';

type Stream = AsyncGenerator<WireFlowsResponse, void, undefined>;

interface Waiting {
  readonly stream: Stream;
  readonly next: Promise<{
    readonly from: Waiting;
    readonly result: IteratorResult<WireFlowsResponse, void>;
  }>;
}

function ask(stream: Stream): Waiting {
  const waiting: Waiting = {
    stream,
    next: stream.next().then((result) => ({ from: waiting, result })),
  };
  return waiting;
}

/** As they come, from whichever has one. */
export async function* interleave(streams: readonly Stream[]): Stream {
  const waiting = new Set(streams.map(ask));
  while (waiting.size > 0) {
    const { from, result } = await Promise.race([...waiting].map(({ next }) => next));
    waiting.delete(from);
    if (result.done === true) continue;
    waiting.add(ask(from.stream));
    yield result.value;
  }
}

/** ns since 1970. */
function timeOf({ time }: WireFlowsResponse): bigint {
  return BigInt(time?.seconds ?? 0) * 1_000_000_000n + BigInt(time?.nanos ?? 0);
}

/** By their time; each of the streams is in that order already. Takes one more of a stream only when it is its turn. */
export async function* inOrder(streams: readonly Stream[]): Stream {
  const heads = await Promise.all(streams.map(async (stream) => ({ stream, head: await stream.next() })));
  for (;;) {
    const left = heads.filter(({ head }) => head.done !== true);
    const [first, ...others] = left;
    if (first === undefined) return;
    let oldest = first;
    for (const one of others)
      if (timeOf(one.head.value as WireFlowsResponse) < timeOf(oldest.head.value as WireFlowsResponse))
        oldest = one;
    const { value } = oldest.head;
    oldest.head = await oldest.stream.next();
    if (value !== undefined) yield value;
  }
}

/** The flows of an ordered stream, so many at most: its first ones, or its last. Losses come along. */
export async function* bounded(stream: Stream, limit: number, end: 'oldest' | 'newest'): Stream {
  const kept: WireFlowsResponse[] = [];
  let count = 0;
  for await (const response of stream) {
    if (response.flow === undefined) yield response;
    else if (end === 'oldest') {
      if (count < limit) yield response;
      count += 1;
      if (count >= limit) return;
    } else {
      kept.push(response);
      if (kept.length > limit) kept.shift();
    }
  }
  yield* kept;
}
