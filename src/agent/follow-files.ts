// SPDX-License-Identifier: Apache-2.0
import type { Logger } from 'pino';
import { watchFiles } from '../control/source/files/watch-files.ts';
import { resourceMap } from '../core/resources/kinds.ts';
import { formatResourceError } from '../core/resources/resource-error.ts';
import { countKinds, type Feed } from './feed.ts';
import type { Reconciler } from './reconciler.ts';

/** Keeps the reconciler fed with a folder of manifests. Resolves once the folder was read. */
export async function followFiles(
  directory: string,
  reconciler: Reconciler,
  feed: Feed,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  await watchFiles({
    directory,
    signal,
    onSnapshot: ({ resources }) => {
      feed.errors = [];
      feed.counts = () => countKinds(resources);
      void reconciler.take(resourceMap(resources));
    },
    onErrors: (errors) => {
      feed.errors = errors;
      for (const error of errors) log.error({ object: error.file }, formatResourceError(error));
    },
  });
}
