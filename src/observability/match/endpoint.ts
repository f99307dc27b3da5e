// SPDX-License-Identifier: Apache-2.0
import type { EndpointFilter, LabelRequirement, NamePattern } from '../../core/flow-filter.ts';
import { parseAddress, width } from '../../core/identity/address.ts';
import { parsePrefix } from '../../core/identity/prefix.ts';
import { PerigeeError } from '../../lib/errors.ts';
import type { FlowNames, PeerNames } from '../flow-names.ts';
import { dnsNameMatcher } from './dns-name.ts';
import type { RecordMemory } from '../record-layout.ts';
import { addressTerm, prefixLengths, term } from '../terms.ts';
import { any, type ChunkTest, type Matcher, unsummarised } from './matcher.ts';
import { hasAddress, offsetsOf, type Side } from './side.ts';
import { type Predicate, u16In, u32In } from './predicate.ts';

const MAPPED = Buffer.from('00000000000000000000ffff', 'hex');

export function matchesName(
  pattern: NamePattern,
  namespace: string | undefined,
  name: string | undefined,
): boolean {
  if (pattern.namespace !== undefined && pattern.namespace !== namespace) return false;
  if (pattern.name === undefined) return true;
  return pattern.prefix === true ? name?.startsWith(pattern.name) === true : name === pattern.name;
}

function matchesRequirement(
  { key, operator, values }: LabelRequirement,
  labels: Readonly<Record<string, string>>,
): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  if (operator === 'Exists') return value !== undefined;
  if (operator === 'DoesNotExist') return value === undefined;
  if (operator === 'In') return value !== undefined && values.includes(value);
  return value === undefined || !values.includes(value);
}

/** What is no workload has one label, which says so: Hubble's clients ask for it as they do for others. */
function labelsOf({ labels = {}, workload, entity }: PeerNames): Readonly<Record<string, string>> {
  if (workload !== undefined || entity === undefined) return labels;
  return { ...labels, [`reserved:${entity.toLowerCase()}`]: '' };
}

/** A workload's number, or who had the address of an end that has none; 0: nobody is known. */
type Who = number | PeerNames;

function whoIs(names: FlowNames, side: Side, memory: RecordMemory, at: number): Who {
  const offset = offsetsOf[side];
  const workload = memory.u32[(at + offset.workload) >> 2] ?? 0;
  return workload === 0 ? (names.holders?.of(memory, at, offset.address) ?? 0) : workload;
}

function identityOf(side: Side, { u32 }: RecordMemory, at: number): number {
  return u32[(at + offsetsOf[side].identity) >> 2] ?? 0;
}

/** What somebody is called; what is known of the identity fills the gaps. */
export function peerNames(names: FlowNames, who: Who, identity: number): PeerNames {
  const known = typeof who === 'object' ? who : who === 0 ? undefined : names.workload(who);
  return { ...names.identity(identity), ...known };
}

/** What one end of a record is called. */
export function endNames(names: FlowNames, side: Side, memory: RecordMemory, at: number): PeerNames {
  return peerNames(names, whoIs(names, side, memory, at), identityOf(side, memory, at));
}

/** Chunks in which somebody without a number may be whom the test is true of. */
function holderChunks(side: Side, names: FlowNames, test: (peer: PeerNames) => boolean): ChunkTest {
  return hasAddress(side, names.holders?.addresses(test) ?? []);
}

/** The answer depends on who is there and on the identity: it is kept per pair while the query runs. */
function byPeer(side: Side, names: FlowNames, test: (peer: PeerNames) => boolean): Matcher {
  const known = new Map<number, Map<Who, boolean>>();
  const answerOf = (who: Who, identity: number): boolean => {
    let answers = known.get(identity);
    if (answers === undefined) known.set(identity, (answers = new Map<Who, boolean>()));
    let answer = answers.get(who);
    if (answer === undefined) answers.set(who, (answer = test(peerNames(names, who, identity))));
    return answer;
  };
  const held = holderChunks(side, names, test);
  return {
    record: (memory, at) => answerOf(whoIs(names, side, memory, at), identityOf(side, memory, at)),
    chunk: (summaries, slot) => summaries.someListed(slot, side, answerOf) || held(summaries, slot),
  };
}

function addressIn(side: Side, texts: readonly string[]): Matcher {
  return any(texts.map((text) => inPrefix(side, text)));
}

function inPrefix(side: Side, text: string): Matcher {
  const { address: offset, addressField } = offsetsOf[side];
  const address = parseAddress(text);
  const prefix = address === undefined ? parsePrefix(text) : { ...address, length: width(address.family) };
  if (prefix === undefined) {
    throw new PerigeeError('ERR_FILTER_INVALID', `not an IP address or CIDR: ${JSON.stringify(text)}`, {
      hint: 'Write it as 10.1.2.3, 10.1.0.0/16 or fd00::/8',
    });
  }
  // Records hold IPv4 as ::ffff:a.b.c.d.
  const mapped = prefix.family === 4;
  const wanted = Buffer.from(
    (mapped ? (0xffffn << 32n) | prefix.bits : prefix.bits).toString(16).padStart(32, '0'),
    'hex',
  );
  const length = prefix.length + (mapped ? 96 : 0);
  const whole = length >> 3;
  const isMapped = (bytes: Buffer, start: number): boolean =>
    bytes.compare(MAPPED, 0, 12, start, start + 12) === 0;
  const mask = (0xff00 >> (length & 7)) & 0xff;
  const record: Predicate = ({ bytes }, at) => {
    const start = at + offset;
    if (!mapped && isMapped(bytes, start)) return false;
    for (let index = 0; index < whole; index += 1) if (bytes[start + index] !== wanted[index]) return false;
    return mask === 0 || (((bytes[start + whole] ?? 0) ^ (wanted[whole] ?? 0)) & mask) === 0;
  };
  const summarised = prefixLengths.findLast((bits) => bits <= length);
  if (summarised === undefined) return unsummarised(record);
  const wantedTerm = addressTerm(addressField, wanted, 0, summarised);
  return { record, chunk: (summaries, slot) => summaries.hasTerm(slot, wantedTerm) };
}

function hasTerm(field: number, values: readonly number[]): ChunkTest {
  const terms = values.map((value) => term(field, value));
  return (summaries, slot) => terms.some((one) => summaries.hasTerm(slot, one));
}

/** Conditions on one end, cheapest first. */
export function endpointMatchers(side: Side, filter: EndpointFilter, names: FlowNames): readonly Matcher[] {
  const offset = offsetsOf[side];
  const { names: patterns, pods, labels, entities, ports, identities } = filter;
  const matchers: Matcher[] = [];
  if (ports !== undefined)
    matchers.push({ record: u16In(offset.port, ports), chunk: hasTerm(offset.portField, ports) });
  if (identities !== undefined) {
    matchers.push({
      record: u32In(offset.identity, identities),
      chunk: hasTerm(offset.identityField, identities),
    });
  }
  if (filter.addresses !== undefined) matchers.push(addressIn(side, filter.addresses));
  for (const list of [patterns, pods]) {
    if (list === undefined) continue;
    const test = (peer: PeerNames): boolean =>
      list.some((pattern) => matchesName(pattern, peer.namespace, peer.workload));
    matchers.push(byPeer(side, names, test));
  }
  if (labels !== undefined) {
    const test = (peer: PeerNames): boolean =>
      labels.some((selector) =>
        selector.every((requirement) => matchesRequirement(requirement, labelsOf(peer))),
      );
    matchers.push(byPeer(side, names, test));
  }
  if (entities !== undefined) {
    const wanted = new Set(entities.map((entity) => entity.toLowerCase()));
    matchers.push(byPeer(side, names, (peer) => wanted.has((peer.entity ?? '').toLowerCase())));
  }
  if (filter.dnsNames !== undefined) matchers.push(dnsNameMatcher(side, filter.dnsNames, names));
  return matchers;
}
