// SPDX-License-Identifier: Apache-2.0
import { type PeerIdentity, portText } from '../../core/identity/peer-identity.ts';
import { portRanges } from '../../core/policy/connection-verdict.ts';
import { distinctionOf, namesPorts, restSelections, restSubject } from '../../core/policy/rest.ts';
import { type Selection, selectionsFor, type Subject } from '../../core/policy/rule-match.ts';
import { DEFAULT_DENY_INDEX, type Direction } from '../../core/policy/rule-ref.ts';
import type { PolicyDirection } from '../../core/policy/rule.ts';
import type { PortRange } from '../../core/policy/verdict.ts';
import { selectionsOf, type World } from '../../core/policy/world.ts';
import { type DesiredRow, REST } from '../../core/state/desired.ts';
import { visiblePorts, type Workload } from '../../core/workload/workload.ts';
import type { AutomatonSet, CompiledRules } from './automata.ts';
import type { ContentKeys } from './content-key.ts';
import type { DistinctPeers } from './distinct-peers.ts';
import type { Names } from './names.ts';

/** A row, and what its requests are compared with. */
export interface CompiledRow extends DesiredRow {
  /** For `proxy`. */
  readonly automaton?: CompiledRules;
  /** The rule in Audit mode that would refuse the connection, 0: none would. */
  readonly auditRule: number;
}

/** What a verdict says, to whomever. */
type Answer = Omit<CompiledRow, 'identity'>;

/** The answers of one direction to all peers; workloads that are governed alike share it. */
export interface CompiledTable {
  readonly rows: readonly CompiledRow[];
  readonly automata: ReadonlySet<CompiledRules>;
}

/** A table with what it was made from. */
interface Made {
  readonly peers: readonly (readonly PeerIdentity[])[];
  readonly table: CompiledTable;
}

const actions = { Allow: 'allow', Deny: 'deny', Proxy: 'proxy' } as const;

/** The tables of a series of worlds: only what a change touches is made anew. */
export class TableSet {
  readonly #names: Names;
  readonly #automata: AutomatonSet;
  readonly #peers: DistinctPeers;
  readonly #keys: ContentKeys;
  #made = new Map<string, Made>();
  #used = new Map<string, Made>();

  constructor(names: Names, automata: AutomatonSet, peers: DistinctPeers, keys: ContentKeys) {
    this.#names = names;
    this.#automata = automata;
    this.#peers = peers;
    this.#keys = keys;
  }

  /** The table of a direction in which policy selects the workload, or its requests are to be seen. */
  of(world: World, workload: Workload, direction: Direction): CompiledTable {
    const selected = selectionsOf(world, workload, direction);
    const isServer = direction === 'ingress';
    const probes = isServer ? workload.probes : [];
    const ports = isServer ? workload.ports.map(portText).join(' ') : '';
    const seen = isServer ? visiblePorts(workload) : undefined;
    const key = `${direction} ${this.#keys.ofSelection(selected)} ${ports} ${probes.join(',')} ${String(seen)}`;
    const used = this.#used.get(key);
    if (used !== undefined) return used.table;
    const peers = this.#distinct(selected, probes.length > 0);
    const known = this.#made.get(key);
    const same = known !== undefined && peers.every((list, index) => known.peers[index] === list);
    const made = same ? known : { peers, table: this.#make(world, workload, direction, peers) };
    this.#used.set(key, made);
    return made.table;
  }

  /** Forgets what was not asked for since the last call. */
  settle(): void {
    this.#made = this.#used;
    this.#used = new Map();
    this.#automata.retain(new Set([...this.#made.values()].flatMap(({ table }) => [...table.automata])));
  }

  /** For each clause, in their order, the peers that it tells from the rest, and from each other. */
  #distinct(selected: readonly PolicyDirection[], isProbed: boolean): (readonly PeerIdentity[])[] {
    const lists = selected.flatMap((policy) =>
      policy.rules.flatMap((rule) =>
        rule.clauses.flatMap((clause) => this.#peers.of(distinctionOf(policy, rule, clause), clause.peer)),
      ),
    );
    const ofNode = isProbed || selected.some(({ api }) => api === 'NetworkPolicy');
    return ofNode ? [...lists, this.#peers.nodes()] : lists;
  }

  /** Peers that the same clauses mean get the same answers. */
  #make(
    world: World,
    workload: Workload,
    direction: Direction,
    lists: readonly (readonly PeerIdentity[])[],
  ): CompiledTable {
    const rest = this.#answers(restSubject(workload, direction, 'TCP'), restSelections, world);
    const rows: CompiledRow[] = rest.flat().map((answer) => ({ identity: REST, ...answer }));
    const portsMatter = direction === 'egress' && this.#portsMatter(world, workload);
    const known = new Map<string, readonly (readonly Answer[])[]>();
    for (const [peer, meant] of meanings(lists)) {
      const kind = portsMatter ? `${meant} ${peer.ports.map(portText).join(' ')}` : meant;
      let answers = known.get(kind);
      if (answers === undefined) {
        answers = this.#answers({ workload, direction, peer, protocol: 'TCP' }, selectionsFor, world);
        answers = answers.filter((list, index) => !sameAnswers(list, rest[index] ?? []));
        known.set(kind, answers);
      }
      const identity = answers.length === 0 ? REST : this.#names.peer(peer);
      for (const answer of answers.flat()) rows.push({ identity, ...answer });
    }
    const automata = rows.map(({ automaton }) => automaton).filter((automaton) => automaton !== undefined);
    return { rows, automata: new Set(automata) };
  }

  #portsMatter(world: World, workload: Workload): boolean {
    const rules = selectionsOf(world, workload, 'egress').flatMap((policy) => policy.rules);
    return rules.some(({ clauses }) => clauses.some(({ ports }) => namesPorts(ports)));
  }

  /** By protocol. */
  #answers(
    { workload, direction, peer }: Subject,
    select: (world: World, subject: Subject) => Selection[],
    world: World,
  ): (readonly Answer[])[] {
    return (['TCP', 'UDP'] as const).map((protocol) => {
      const subject = { workload, direction, peer, protocol };
      const selections = select(world, subject);
      const seen = direction === 'ingress' && protocol === 'TCP' ? visiblePorts(workload) : undefined;
      return splitRanges(portRanges(selections, subject), seen).map(({ range, isSeen }) =>
        this.#answer(selections, subject, range, isSeen),
      );
    });
  }

  #answer(
    selections: readonly Selection[],
    { direction, protocol }: Pick<Subject, 'direction' | 'protocol'>,
    range: PortRange,
    isSeen: boolean,
  ): Answer {
    const { from, to, verdict, audit } = range;
    const observed = verdict === 'Allow' && audit?.verdict === 'Proxy';
    const auditRule = audit?.verdict === 'Deny' ? this.#names.rule(audit.rules[0]) : 0;
    const automaton = protocol === 'TCP' ? this.#automata.of(selections, range) : undefined;
    const byDefault = range.rule === undefined || range.rule.index === DEFAULT_DENY_INDEX;
    return {
      protocol,
      from,
      to,
      // Rules in Audit mode that read requests want them seen, also where nothing that is enforced does.
      action: observed ? 'proxy' : actions[verdict],
      audit: audit?.verdict === 'Deny' ? 'deny' : observed ? 'requests' : 'none',
      auditRule,
      // What passes all the same is recorded under the rule that would refuse it.
      rule: verdict === 'Allow' && auditRule !== 0 ? auditRule : this.#names.rule(range.rule),
      reason: verdict !== 'Deny' ? 'none' : byDefault ? 'policy-no-rule' : 'policy-denied',
      ...(automaton === undefined ? {} : { automaton }),
      ...(direction === 'ingress' ? this.#tableOf(automaton, isSeen && verdict === 'Allow') : {}),
    };
  }

  /** What the kernel could run instead of the proxy, or for those who only look. */
  #tableOf(automaton: CompiledRules | undefined, isSeen: boolean): Pick<DesiredRow, 'table'> {
    if (automaton !== undefined) return automaton.notInline === undefined ? { table: automaton.bytes } : {};
    return isSeen ? { table: this.#automata.allowing() } : {};
  }
}

interface SplitRange {
  readonly range: PortRange;
  /** Its requests are to be seen. */
  readonly isSeen: boolean;
}

/** Apart what is to be seen, and what isn't. */
function splitRanges(
  ranges: readonly PortRange[],
  seen: readonly number[] | 'all' | undefined,
): readonly SplitRange[] {
  if (seen === undefined || seen === 'all') return ranges.map((range) => ({ range, isSeen: seen === 'all' }));
  return ranges.flatMap((range) => {
    const split: SplitRange[] = [];
    let from = range.from;
    const add = (to: number, isSeen: boolean): void => {
      if (from <= to) split.push({ range: { ...range, from, to }, isSeen });
      from = to + 1;
    };
    for (const port of seen) {
      if (port < range.from || port > range.to) continue;
      add(port - 1, false);
      add(port, true);
    }
    add(range.to, false);
    return split;
  });
}

function sameAnswers(a: readonly Answer[], b: readonly Answer[]): boolean {
  return a.length === b.length && a.every((answer, index) => sameAnswer(answer, b[index]));
}

function sameAnswer(a: Answer, b: Answer | undefined): boolean {
  return (
    a.from === b?.from &&
    a.to === b.to &&
    a.action === b.action &&
    a.audit === b.audit &&
    a.auditRule === b.auditRule &&
    a.rule === b.rule &&
    a.reason === b.reason &&
    a.table === b.table &&
    a.automaton === b.automaton
  );
}

/** Every peer that is in one of the lists, with the places of all lists that it is in; ordered by key. */
function meanings(lists: readonly (readonly PeerIdentity[])[]): (readonly [PeerIdentity, string])[] {
  const found = new Map<string, { readonly peer: PeerIdentity; meant: string }>();
  lists.forEach((list, place) => {
    for (const peer of list) {
      const entry = found.get(peer.key);
      if (entry === undefined) found.set(peer.key, { peer, meant: String(place) });
      else entry.meant += `,${place}`;
    }
  });
  const sorted = [...found.values()].sort((a, b) => (a.peer.key < b.peer.key ? -1 : 1));
  return sorted.map(({ peer, meant }) => [peer, meant] as const);
}
