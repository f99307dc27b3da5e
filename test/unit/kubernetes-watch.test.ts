// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ApiFailure,
  type ApiObject,
  type KubernetesApi,
  type Page,
  type Query,
  type WatchEvent,
} from '../../src/control/source/kubernetes/api.ts';
import { ListWatch, type WatchState } from '../../src/control/source/kubernetes/list-watch.ts';
import { until } from '../support/lab.ts';

const object = (name: string, version: string, text = ''): ApiObject => ({
  metadata: { namespace: 'shop', name, resourceVersion: version },
  spec: { text },
});
const bookmark = (version: string): WatchEvent => ({
  type: 'BOOKMARK',
  object: { metadata: { name: '', resourceVersion: version } },
});

type List = (query: Query) => Page;
type Watch = (query: Query, onEvent: (event: WatchEvent) => void) => 'ends' | 'stays';

/** Answers each request by the next line of a script; the last one stays. */
class ScriptedApi implements KubernetesApi {
  readonly server = 'https://scripted';
  readonly lists: Query[] = [];
  readonly watches: Query[] = [];
  readonly #list: List[];
  readonly #watch: Watch[];

  constructor(list: List[], watch: Watch[]) {
    this.#list = list;
    this.#watch = watch;
  }

  async list(_: string, query: Query): Promise<Page> {
    const answer = this.#list[Math.min(this.lists.push(query), this.#list.length) - 1];
    return Promise.resolve(answer?.(query) ?? { items: [], resourceVersion: '1' });
  }

  async watch(
    _: string,
    query: Query,
    onEvent: (event: WatchEvent) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const step = this.#watch[Math.min(this.watches.push(query), this.#watch.length) - 1];
    if ((step?.(query, onEvent) ?? 'stays') === 'ends') return;
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  }
}

interface Run {
  readonly api: ScriptedApi;
  readonly watch: ListWatch<string>;
  readonly texts: () => Readonly<Record<string, string>>;
  /** At each change. */
  readonly states: readonly WatchState[];
  /** Asked for, ms. */
  readonly waits: readonly number[];
}

async function withWatch(list: List[], watch: Watch[], check: (run: Run) => Promise<void>): Promise<void> {
  const api = new ScriptedApi(list, watch);
  const controller = new AbortController();
  const waits: number[] = [];
  const states: WatchState[] = [];
  const listWatch: ListWatch<string> = new ListWatch<string>({
    api,
    path: '/things',
    strip: ({ spec }) => (spec as { readonly text: string }).text,
    onChange: () => states.push(listWatch.state),
    signal: controller.signal,
    random: () => 0,
    wait: async (ms) => {
      waits.push(ms);
      await new Promise((resolve) => setImmediate(resolve));
    },
    pageSize: 2,
  });
  const ended = listWatch.run();
  try {
    await check({ api, watch: listWatch, states, waits, texts: () => Object.fromEntries(listWatch.objects) });
  } finally {
    controller.abort();
    await ended;
  }
}

const one: List = () => ({ items: [object('a', '5', 'old')], resourceVersion: '7' });

test('a list is read page by page and is one moment', async () => {
  const pages: List[] = [
    () => ({ items: [object('a', '3', 'A'), object('b', '4', 'B')], resourceVersion: '9', next: 'more' }),
    () => ({ items: [object('c', '5', 'C')], resourceVersion: '9' }),
  ];
  await withWatch(pages, [() => 'stays'], async ({ api, watch, texts }) => {
    await until('the list', () => watch.state.synced && api.watches.length === 1);
    assert.deepEqual(texts(), { 'shop/a': 'A', 'shop/b': 'B', 'shop/c': 'C' });
    assert.deepEqual(
      api.lists.map(({ limit, continue: from }) => [limit, from]),
      [
        [2, undefined],
        [2, 'more'],
      ],
    );
    assert.equal(api.watches[0]?.['resourceVersion'], '9');
    assert.equal(api.watches[0]['allowWatchBookmarks'], true);
  });
});

test('a watch goes on after the last object or bookmark, without a list', async () => {
  const watches: Watch[] = [
    (_, onEvent) => {
      onEvent({ type: 'MODIFIED', object: object('a', '8', 'new') });
      onEvent({ type: 'ADDED', object: object('b', '9', 'B') });
      onEvent({ type: 'DELETED', object: object('a', '10') });
      onEvent(bookmark('20'));
      return 'ends';
    },
    () => 'stays',
  ];
  await withWatch([one], watches, async ({ api, watch, texts }) => {
    await until('the second watch', () => api.watches.length === 2);
    assert.deepEqual(texts(), { 'shop/b': 'B' });
    assert.equal(api.watches[1]?.['resourceVersion'], '20');
    assert.equal(api.lists.length, 1);
    assert.equal(watch.restarts.ended, 1);
  });
});

for (const [how, expire] of [
  [
    'an event',
    (_: Query, onEvent: (event: WatchEvent) => void) => {
      onEvent({ type: 'ERROR', code: 410, message: 'too old resource version' });
      return 'ends' as const;
    },
  ],
  [
    'the answer',
    () => {
      throw new ApiFailure(410, 'Gone');
    },
  ],
] satisfies [string, Watch][]) {
  test(`a version that is too old (410 as ${how}) brings a list, and what it lacks is gone`, async () => {
    const lists: List[] = [one, () => ({ items: [object('c', '30', 'C')], resourceVersion: '31' })];
    await withWatch(lists, [expire, () => 'stays'], async ({ api, watch, texts }) => {
      await until('the second watch', () => api.watches.length === 2);
      assert.deepEqual(texts(), { 'shop/c': 'C' });
      assert.equal(api.watches[1]?.['resourceVersion'], '31');
      assert.deepEqual([watch.restarts.expired, watch.state.staleSince], [1, undefined]);
    });
  });
}

test('a list that breaks between two pages is begun anew: no watch goes on over what was not read', async () => {
  const page: List = () => ({ items: [object('b', '31', 'B')], resourceVersion: '35', next: 'more' });
  const cut: List = () => {
    throw new Error('ECONNRESET');
  };
  const rest: List = () => ({ items: [object('c', '32', 'C')], resourceVersion: '35' });
  const expire: Watch = () => {
    throw new ApiFailure(410, 'Gone');
  };
  await withWatch([one, page, cut, page, rest], [expire, () => 'stays'], async ({ api, texts }) => {
    await until('the second watch', () => api.watches.length === 2);
    assert.deepEqual(texts(), { 'shop/b': 'B', 'shop/c': 'C' });
    assert.equal(api.lists.length, 5);
    assert.equal(api.watches[1]?.['resourceVersion'], '35');
  });
});

test('a change of what is not kept is no change', async () => {
  const watches: Watch[] = [
    (_, onEvent) => {
      onEvent({ type: 'MODIFIED', object: object('a', '8', 'old') });
      onEvent({ type: 'ADDED', object: object('b', '9', 'B') });
      return 'stays';
    },
  ];
  await withWatch([one], watches, async ({ api, states, texts }) => {
    await until('the watch', () => api.watches.length === 1);
    assert.deepEqual(texts(), { 'shop/a': 'old', 'shop/b': 'B' });
    // The list, and the second object.
    assert.equal(states.length, 2);
  });
});

test('while the server is away the state stays and says since when; then it goes on', async () => {
  let isBack = false;
  const away: Watch = () => {
    if (isBack) return 'stays';
    throw new Error('connect ECONNREFUSED');
  };
  const watches: Watch[] = [
    away,
    away,
    (_, onEvent) => {
      isBack = true;
      onEvent({ type: 'MODIFIED', object: object('a', '8', 'new') });
      return 'stays';
    },
  ];
  await withWatch([one], watches, async ({ api, watch, states, texts }) => {
    await until('the third watch', () => api.watches.length === 3);
    const stale = states.find(({ staleSince }) => staleSince !== undefined);
    assert.deepEqual([stale?.synced, stale?.objects], [true, 1]);
    assert.match(
      stale?.problem ?? '',
      /\/things can't be read from https:\/\/scripted: connect ECONNREFUSED/,
    );
    assert.equal(watch.state.staleSince, undefined);
    assert.deepEqual(texts(), { 'shop/a': 'new' });
    assert.deepEqual(
      api.watches.map(({ resourceVersion }) => resourceVersion),
      ['7', '7', '7'],
    );
    assert.equal(api.lists.length, 1);
    assert.equal(watch.restarts.failed, 2);
  });
});

test('a server that never knows the version again is asked for a list', async () => {
  const lost: Watch = () => {
    throw new ApiFailure(504, 'Too large resource version: 7, current: 2');
  };
  const lists: List[] = [one, () => ({ items: [], resourceVersion: '2' })];
  await withWatch(lists, [lost, lost, lost, lost, lost, () => 'stays'], async ({ api, texts }) => {
    await until('the sixth watch', () => api.watches.length === 6);
    assert.equal(api.watches[5]?.['resourceVersion'], '2');
    assert.deepEqual(texts(), {});
  });
});

for (const [status, reason, advice] of [
  [403, 'forbidden', /grant get, list and watch to its service account/],
  [404, 'not-served', /install the chart perigee-crds/],
] as const) {
  test(`HTTP ${String(status)} says what to do`, async () => {
    const refuse: List = () => {
      throw new ApiFailure(status, 'no');
    };
    await withWatch([refuse, one], [() => 'stays'], async ({ watch, states }) => {
      await until('the list', () => watch.state.synced);
      assert.deepEqual([states[0]?.synced, states[0]?.reason], [false, reason]);
      assert.match(states[0]?.problem ?? '', advice);
      assert.equal(watch.state.problem, undefined);
    });
  });
}

test('waits between failures double up to ten seconds, with jitter', async () => {
  const fail: List = () => {
    throw new Error('no');
  };
  await withWatch([fail], [], async ({ waits }) => {
    await until('ten tries', () => waits.length >= 10);
    // Without luck, jitter leaves half of what is due.
    assert.deepEqual(waits.slice(0, 10), [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
  });
});
