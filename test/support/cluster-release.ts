// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { helm, installDefinitions, kubectl, loadImage, onNode, repository, start } from './cluster.ts';

const system = 'perigee-system';
const release = ['perigee', 'charts/perigee', '--namespace', system, '--create-namespace'];
const values = ['--set', 'image.pullPolicy=Never'];
const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as {
  readonly version: string;
};

function rolled(...sets: readonly string[]): void {
  for (const set of sets) kubectl('-n', system, 'rollout', 'status', '--timeout=150s', set);
}

/** The charts with the image of this checkout, ready on every node; with values as helm's `--set` takes them. */
export function installRelease(...more: readonly string[]): void {
  const image = join(repository, `build/perigee-${version}-image.tar`);
  assert.ok(existsSync(image), `${image} is missing: run make image`);
  loadImage(image);
  installDefinitions();
  helm('upgrade', '--install', ...release, ...values, ...more.flatMap((one) => ['--set', one]));
  rolled('daemonset/perigee-agent', 'daemonset/perigee-proxy');
}

/** Rolls out other values, or another image, while the test goes on. */
export async function rollRelease(...more: readonly string[]): Promise<void> {
  await start('helm', 'upgrade', ...release, ...values, ...more.flatMap((one) => ['--set', one]));
  for (const set of ['daemonset/perigee-agent', 'daemonset/perigee-proxy'])
    await start('kubectl', '-n', system, 'rollout', 'status', '--timeout=150s', set);
}

/** Leaves nothing on the nodes. */
export function removeRelease(): void {
  helm('upgrade', ...release, ...values, '--set', 'cleanup=true');
  rolled('daemonset/perigee-agent');
  helm('uninstall', 'perigee', '--namespace', system, '--wait');
}

/** Everything that the agent attaches or pins, as the node sees it. */
export function leftOn(node: string): string {
  const pins = onNode(node, 'find', '/sys/fs/bpf/perigee', '-mindepth', '1').stdout.trim();
  const programs = onNode(node, 'bpftool', 'cgroup', 'tree', '/sys/fs/cgroup/unified').stdout;
  const files = onNode(node, 'find', '/run/perigee', '-mindepth', '1').stdout.trim();
  const attached = programs.split('\n').slice(2).join('\n').trim();
  return [pins, attached, files].filter((text) => text !== '').join('\n');
}
