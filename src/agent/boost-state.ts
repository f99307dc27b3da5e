// SPDX-License-Identifier: Apache-2.0
import type { PathReason } from '../api/ports.ts';
import { resolveEnd } from '../core/policy/evaluate.ts';
import type { Decision, Question } from '../core/policy/verdict.ts';
import type { World } from '../core/policy/world.ts';
import type { DesiredWorkload } from '../core/state/desired.ts';
import { BOOST_LABEL } from '../core/workload/workload.ts';
import type { BoostOff } from '../datapath/boost/boost-path.ts';
import type { BoostRefusals } from '../datapath/boost/counts.ts';
import { boostReasons } from './boost-reasons.ts';

/** What is in force, as far as it tells who is boosted. */
export interface BoostSources {
  readonly world: World;
  readonly workloads: readonly DesiredWorkload[];
  /** Why no connection may be boosted. */
  readonly off: BoostOff | undefined;
  /** Connections that were not, by workload. */
  readonly refusals: readonly BoostRefusals[];
}

const changes: Readonly<Record<BoostOff['reason'], string>> = {
  Setting: 'the setting boost: auto',
  KernelLacks: 'a later kernel: perigee check names what this one lacks',
  LoadFailed: 'a restart of the agent once what its log names is mended',
  Misbehaves: 'another kernel: docs/design/boost.md says what is tried',
};

/** Whether messages of an allowed connection pass TCP by, why or why not; undefined: that is no question here. */
export function boostOf(
  sources: BoostSources,
  question: Question,
  path: Decision['path'],
): PathReason | undefined {
  if (question.protocol !== 'TCP') return undefined;
  const end = (of: Question['source']): DesiredWorkload | undefined => {
    const key = resolveEnd(sources.world, of).workload?.key;
    return sources.workloads.find((one) => one.key === key && one.attachment === 'netns');
  };
  const [source, destination] = [end(question.source), end(question.destination)];
  const ends = [source, destination].filter((one) => one !== undefined);
  if (ends.length === 0 || source === destination) return undefined;
  if (path !== 'proxied' && ends.length < 2)
    return { why: 'not boosted: only one end is a network namespace of this node' };
  const asking = ends.filter(({ boost }) => boost);
  const silent = ends.filter(({ boost }) => !boost).map(({ key }) => key);
  const label = `the label ${BOOST_LABEL}: enabled`;
  if (asking.length === 0 || (path !== 'proxied' && silent.length > 0))
    return { why: `not boosted: ${silent.join(' and ')} without ${label}`, change: `${label} there` };
  const { off } = sources;
  if (off !== undefined) return { why: `not boosted: ${off.message}`, change: changes[off.reason] };
  const legs =
    path === 'proxied'
      ? `the leg of ${asking.map(({ key }) => key).join(' and that of ')} with the proxy`
      : path === 'inline'
        ? 'requests that come in one message each, judged first'
        : 'it';
  return {
    why: `boosted: ${legs}, once both ends have shown that they bear it${refusalText(sources, asking)}`,
  };
}

/** Of what connections of these workloads were refused so far. */
function refusalText({ refusals }: BoostSources, workloads: readonly DesiredWorkload[]): string {
  const texts = workloads.flatMap(({ id, key }) =>
    refusals
      .filter(({ workload }) => workload === id)
      .map(({ outcome, count }) => `${String(count)} of ${key} were not: ${boostReasons[outcome]}`),
  );
  return texts.length === 0 ? '' : `; ${texts.join('; ')}`;
}
