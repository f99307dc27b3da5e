// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { after, before, suite, test } from 'node:test';
import { Client, credentials, status as grpcStatus } from '@grpc/grpc-js';
import { verdict } from '../../src/core/abi/policy.ts';
import { reason } from '../../src/core/abi/reason.ts';
import { AgentClient } from '../../src/api/client.ts';
import { healthDefinition, observerDefinition } from '../../src/api/definitions.ts';
import { flowFromWire } from '../../src/api/flow-from-wire.ts';
import type { WireFlowsRequest, WireFlowsResponse } from '../../src/api/wire.ts';
import type { FlowEvent, FlowQuery } from '../../src/core/flow-filter.ts';
import { PerigeeError } from '../../src/lib/errors.ts';
import { checks, explain, type FakeAgent, startFakeAgent, status } from '../support/fake-agent.ts';
import { batch, record } from '../support/flow-records.ts';

const everything: FlowQuery = { include: [], exclude: [], end: 'newest', follow: false };
const never = new AbortController().signal;

function isCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof PerigeeError && error.code === code;
}

suite('the API over a unix socket', () => {
  let agent: FakeAgent;
  let client: AgentClient;
  before(async () => {
    agent = await startFakeAgent();
    client = await AgentClient.connect(agent.socketPath);
    const records = [
      record({ time: 1_000_000_007n }),
      record({
        time: 2_000_000_008n,
        method: 'GET',
        urlPath: '/a\x1b[31m\xff',
        host: 'h',
        sourceWorkload: 3,
        verdict: verdict.denied,
        reason: reason['http-no-rule'],
        reference: 77n,
      }),
      record({
        time: 3_000_000_009n,
        protocol: 17,
        destinationWorkload: 0,
        destinationIdentity: 2,
        status: 0,
      }),
    ];
    const { bytes, offsets } = batch(records);
    agent.store.append(bytes, offsets);
  });
  after(async () => {
    client.close();
    await agent.close();
  });

  const raw = <Answer>(service: 'observer' | 'health', method: string, request: object): Promise<Answer> => {
    const definition = (service === 'observer' ? observerDefinition() : healthDefinition())[method];
    assert.ok(definition !== undefined);
    const connection = new Client(`unix:${agent.socketPath}`, credentials.createInsecure());
    const { path, requestSerialize, responseDeserialize } = definition;
    return new Promise<Answer>((resolve, reject) => {
      connection.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error, value) => {
        connection.close();
        if (error === null) resolve(value as Answer);
        else reject(error);
      });
    });
  };

  const flows = async (query: Partial<FlowQuery> = {}): Promise<WireFlowsResponse[]> => {
    const responses: WireFlowsResponse[] = [];
    for await (const response of client.flows({ ...everything, ...query }, never)) responses.push(response);
    return responses;
  };

  test('a flow arrives as it left the store', async () => {
    const stored: FlowEvent[] = [];
    for await (const event of agent.store.query(everything, never)) stored.push(event);
    const sent = stored.map((event) => event.type === 'flow' && event.flow);
    const received = (await flows()).map(({ flow }) => flowFromWire(flow ?? {}));
    assert.deepEqual(received, sent);
  });

  test("Hubble's fields say the same as ours", async () => {
    const [, refused] = await flows();
    const { flow, node_name: node } = refused ?? {};
    assert.equal(node, 'node-1');
    assert.equal(flow?.verdict, 'DROPPED');
    assert.equal(flow.drop_reason_desc, 'POLICY_DENIED');
    assert.equal(flow.drop_reason, 133);
    assert.equal(flow.Type, 'L7');
    assert.equal(flow.traffic_direction, 'INGRESS');
    assert.equal(flow.source?.pod_name, 'intruder');
    assert.equal(flow.source.namespace, 'dark');
    assert.deepEqual(flow.destination?.labels, ['app=api', 'tier=back']);
    assert.deepEqual(flow.ingress_denied_by, [
      { name: 'api', namespace: 'shop', kind: 'AccessPolicy', labels: ['rule=web-may-read'] },
    ]);
    assert.equal(flow.l7?.type, 'REQUEST');
  });

  test('filters run in the server, ours and those that Hubble sends', async () => {
    const include = [{ references: ['000000000000004d'] }];
    assert.equal((await flows({ include })).length, 1);
    assert.equal((await flows({ include: [{ verdicts: ['denied'] }], exclude: include })).length, 0);
    assert.equal((await flows({ since: 2_000_000_008n })).length, 2);
    assert.equal((await flows({ limit: 1 }))[0]?.flow?.l4?.UDP?.destination_port, 8080);
    assert.equal((await flows({ limit: 1, end: 'oldest' }))[0]?.flow?.time?.seconds, '1');
  });

  test('a filter that cannot be served is refused with what to do', async () => {
    const include = [{ httpPaths: [{ type: 'RegularExpression', value: '(' } as const] }];
    await assert.rejects(flows({ include }), isCode('ERR_FILTER_INVALID'));
    await assert.rejects(
      flows({ include: Array.from({ length: 65 }, () => ({})) }),
      isCode('ERR_FILTER_INVALID'),
    );
    const definition = observerDefinition()['GetFlows'];
    assert.ok(definition !== undefined);
    const connection = new Client(`unix:${agent.socketPath}`, credentials.createInsecure());
    const requests: readonly (WireFlowsRequest & object)[] = [
      { whitelist: [{ dns_query: ['x'] } as object] },
      { field_mask: { paths: ['source..pod_name'] } },
    ];
    for (const request of requests) {
      const stream = connection.makeServerStreamRequest(
        definition.path,
        definition.requestSerialize,
        definition.responseDeserialize,
        request,
      );
      await assert.rejects(
        stream.toArray(),
        (error: unknown) =>
          error instanceof Error && 'code' in error && error.code === grpcStatus.INVALID_ARGUMENT,
      );
    }
    connection.close();
  });

  test('followers get new flows and losses until they leave', async () => {
    const controller = new AbortController();
    const seen: string[] = [];
    const following = (async () => {
      const query = { ...everything, limit: 1, follow: true };
      for await (const { flow, lost_events: lost } of client.flows(query, controller.signal)) {
        seen.push(
          flow === undefined
            ? `lost ${lost?.num_events_lost ?? ''} ${lost?.source ?? ''}`
            : (flow.time?.seconds ?? ''),
        );
        if (seen.length === 1) {
          const { bytes, offsets } = batch([record({ time: 9_000_000_000n })]);
          agent.store.append(bytes, offsets);
        } else if (seen.length === 2) agent.store.lost('flows', 12);
        else controller.abort();
      }
    })();
    await following;
    assert.deepEqual(seen, ['3', '9', 'lost 12 PERF_EVENT_RING_BUFFER']);
  });

  test('a follower without a limit gets the stored flows, too', async () => {
    const controller = new AbortController();
    const seen: string[] = [];
    for await (const { flow } of client.flows({ ...everything, follow: true }, controller.signal)) {
      if (flow !== undefined) seen.push(flow.time?.seconds ?? '');
      if (seen.length === 4) controller.abort();
    }
    assert.deepEqual(seen, ['1', '2', '3', '9']);
  });

  test('status, explanations and checks arrive as the ports gave them', async () => {
    const { flows: stats, ...rest } = await client.status();
    assert.deepEqual(
      { ...rest, proxy: { ...rest.proxy, problems: undefined } },
      { ...status, proxy: { ...status.proxy, problems: undefined } },
    );
    assert.deepEqual(Object.keys(stats.lost).sort(), ['denials', 'flows', 'proxy', 'store']);
    const question = {
      source: { workload: 'shop/web' },
      destination: { address: '10.0.0.2' },
      port: 8080,
      protocol: 'TCP',
      http: { method: 'GET', path: '/orders', host: 'api', headers: [['x-tenant', 'a']], query: [['q', '']] },
    } as const;
    assert.deepEqual(await client.explain(question), explain(question));
    const denied = { ...question, http: { ...question.http, method: 'PUT' } };
    assert.deepEqual(await client.explain(denied), explain(denied));
    assert.deepEqual(await client.check(), checks);
  });

  test('faults keep their code, object and hint', async () => {
    const question = {
      source: { workload: 'x/y' },
      destination: { address: '10.0.0.2' },
      port: 1,
      protocol: 'TCP',
    } as const;
    await assert.rejects(client.explain(question), (error: unknown) => {
      assert.ok(error instanceof PerigeeError);
      assert.deepEqual(
        [error.code, error.object, error.hint],
        ['ERR_WORKLOAD_UNKNOWN', 'x/y', 'See `perigee status`'],
      );
      return true;
    });
    await assert.rejects(client.explain({ ...question, port: 0 }), isCode('ERR_QUESTION_INVALID'));
    await assert.rejects(client.explain({ ...question, source: {} }), isCode('ERR_QUESTION_INVALID'));
    await assert.rejects(client.setLogLevel('loud'), isCode('ERR_LOG_LEVEL_INVALID'));
  });

  test('the log level is set', async () => {
    await client.setLogLevel('warn');
    assert.equal(agent.level, 'warn');
  });

  test('health, nodes, namespaces and server status answer', async () => {
    assert.deepEqual(await raw('health', 'Check', { service: '' }), { status: 'SERVING' });
    await assert.rejects(raw('health', 'Check', { service: 'x' }));
    const { nodes } = await raw<{ nodes: { name: string; state: string }[] }>('observer', 'GetNodes', {});
    assert.deepEqual([nodes[0]?.name, nodes[0]?.state], ['node-1', 'NODE_CONNECTED']);
    const { namespaces } = await raw<{ namespaces: object[] }>('observer', 'GetNamespaces', {});
    assert.deepEqual(namespaces, [{ namespace: 'dark' }, { namespace: 'shop' }]);
    const { version } = await raw<{ version: string }>('observer', 'ServerStatus', {});
    assert.equal(version, '0.1.0');
  });

  test('the socket is for its owner alone', () => {
    assert.equal(statSync(agent.socketPath).mode & 0o777, 0o600);
  });
});
