// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { verdict } from '../../src/core/abi/policy.ts';
import { flowFromWire } from '../../src/api/flow-from-wire.ts';
import { flowToWire } from '../../src/api/flow-to-wire.ts';
import { flowLine, wideFlowLine } from '../../src/cli/printers/flow-line.ts';
import { createStyle } from '../../src/cli/printers/style.ts';
import type { FlowEvent } from '../../src/core/flow-filter.ts';
import { createFlowStore } from '../support/flow-stores.ts';
import { OtlpResources } from '../../src/observability/otlp/resources.ts';
import { SpanMaker } from '../../src/observability/otlp/spans.ts';
import { batch, detailOf, names, record, type RecordFields } from '../support/flow-records.ts';

const style = createStyle(false);
const call = { method: 'POST', urlPath: '/shop.v1.Payments/Charge', host: 'api:50051' };
const untraced = { traceId: Buffer.alloc(16), parentId: Buffer.alloc(8), traceFlags: 0 };
const overHttp2 = (grpcStatus: number, traced = false) => ({
  ...detailOf(1),
  ...(traced ? {} : untraced),
  httpVersion: 2,
  grpcStatus: grpcStatus + 1,
});

async function eventOf(fields: RecordFields): Promise<Extract<FlowEvent, { type: 'flow' }>> {
  const clock = { current: () => 0n };
  const store = createFlowStore({ bytes: 1 << 20, denialBytes: 1 << 18, names, clock });
  const { bytes, offsets } = batch([record(fields)]);
  store.append(bytes, offsets);
  const query = { include: [], exclude: [], end: 'newest', follow: false } as const;
  for await (const event of store.query(query, new AbortController().signal))
    if (event.type === 'flow') return event;
  throw new TypeError('no flow');
}

suite('flows of gRPC calls', () => {
  test('say version and status, and no trace where the client sent none', async () => {
    const { flow } = await eventOf({ ...call, detail: overHttp2(7) });
    assert.deepEqual([flow.http?.isHttp2, flow.http?.grpcStatus, flow.trace], [true, 7, undefined]);
    assert.ok(flow.timing !== undefined);
    assert.match(flowLine(flow, style), /POST \/shop.v1.Payments\/Charge 200 PERMISSION_DENIED/);
    assert.match(wideFlowLine(flow, style), / {2}HTTP\/2 {2}/);
  });

  test('a request over HTTP/2 that is no call has no status of one, one over HTTP/1 neither', async () => {
    const plain = (await eventOf({ ...call, detail: overHttp2(-1) })).flow;
    assert.deepEqual([plain.http?.isHttp2, plain.http?.grpcStatus], [true, undefined]);
    const old = (await eventOf({ ...call, detail: detailOf(1) })).flow;
    assert.deepEqual([old.http?.isHttp2, old.http?.grpcStatus], [undefined, undefined]);
    assert.ok(old.trace !== undefined);
  });

  test('keep both on the way through the flow API, where Hubble reads the version', async () => {
    for (const status of [0, 14, -1]) {
      const { flow } = await eventOf({ ...call, detail: overHttp2(status) });
      const wire = flowToWire(flow, 'uuid', 'node');
      assert.equal(wire.l7?.http?.protocol, 'HTTP/2');
      assert.deepEqual(flowFromWire(wire).http, flow.http);
    }
  });

  test('become spans with the attributes of calls; whose fault an error is depends on the status', async () => {
    const maker = new SpanMaker(
      new OtlpResources({ name: 'node-1', version: '0.1.0', isKubernetes: false }),
      { name: 'perigee', version: '0.1.0' },
      'node-1',
    );
    for (const [status, errors] of [
      [0, [undefined, undefined]],
      [5, ['NOT_FOUND', undefined]],
      [14, ['UNAVAILABLE', 'UNAVAILABLE']],
    ] as const) {
      const fields = { ...call, verdict: verdict.allowed, detail: overHttp2(status, true) };
      const spans = maker.spansOf(await eventOf(fields));
      assert.equal(spans.length, 2);
      for (const [index, { attributes }] of spans.entries()) {
        assert.equal(attributes['rpc.system'], 'grpc');
        assert.equal(attributes['rpc.service'], 'shop.v1.Payments');
        assert.equal(attributes['rpc.method'], 'Charge');
        assert.equal(attributes['rpc.grpc.status_code'], status);
        assert.equal(attributes['network.protocol.version'], '2');
        assert.equal(attributes['error.type'], errors[index]);
      }
    }
  });
});
