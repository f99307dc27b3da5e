// SPDX-License-Identifier: Apache-2.0
import { globSync } from 'node:fs';
import { resolve } from 'node:path';

/** The launcher of the release that `make dist` has left unpacked. */
export function shippedLauncher(): string {
  const [launcher] = globSync('build/dist/perigee-*/bin/perigee');
  if (launcher === undefined) throw new Error('no release is below build/dist; run `make dist`');
  return resolve(launcher);
}
