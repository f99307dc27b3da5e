// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { helm, installDefinitions, kubectl, loadImage, repository } from './cluster.ts';

const system = 'perigee-system';
const release = ['perigee', 'charts/perigee', '--namespace', system, '--create-namespace'];
const values = ['--set', 'image.pullPolicy=Never'];
const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as {
  readonly version: string;
};

function rolled(...sets: readonly string[]): void {
  for (const set of sets) kubectl('-n', system, 'rollout', 'status', '--timeout=150s', set);
}

/** The charts with the image of this checkout, ready on every node. */
export function installRelease(): void {
  const image = join(repository, `build/perigee-${version}-image.tar`);
  assert.ok(existsSync(image), `${image} is missing: run make image`);
  loadImage(image);
  installDefinitions();
  helm('upgrade', '--install', ...release, ...values);
  rolled('daemonset/perigee-agent', 'daemonset/perigee-proxy');
}

/** Leaves nothing on the nodes. */
export function removeRelease(): void {
  helm('upgrade', ...release, ...values, '--set', 'cleanup=true');
  rolled('daemonset/perigee-agent');
  helm('uninstall', 'perigee', '--namespace', system, '--wait');
}
