// SPDX-License-Identifier: Apache-2.0
import type { Flow, FlowPath, FlowVerdict, TcpFlag } from './flow.ts';
import type { ReasonName } from './reasons.ts';

/** `shop/web`, `shop/`, `web`: a part left out matches any. */
export interface NamePattern {
  readonly namespace?: string;
  readonly name?: string;
  /** The name is a prefix, as Hubble's pod filters have it. */
  readonly prefix?: boolean;
}

/** One requirement of a label selector. */
export interface LabelRequirement {
  readonly key: string;
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  readonly values: readonly string[];
}

/** Fields are ANDed; the values of one field are ORed. */
export interface EndpointFilter {
  readonly names?: readonly NamePattern[];
  /** A second list of names, ANDed with the first: Hubble's clients ask for pods and workloads in one filter. */
  readonly pods?: readonly NamePattern[];
  /** Addresses or CIDRs, text. */
  readonly addresses?: readonly string[];
  readonly ports?: readonly number[];
  readonly identities?: readonly number[];
  /** Selectors; the requirements of one are ANDed. What is no workload has one label, `reserved:world` and the like. */
  readonly labels?: readonly (readonly LabelRequirement[])[];
  /** World, Node, … */
  readonly entities?: readonly string[];
  /** Patterns of names that DNS gave the address, `*` for any characters. */
  readonly dnsNames?: readonly string[];
}

/** How the path of a request, without its query, is compared; types as in policies. */
export interface PathPattern {
  readonly type: 'Exact' | 'PathPrefix' | 'RegularExpression';
  readonly value: string;
}

export interface StatusRange {
  readonly from: number;
  /** Inclusive. */
  readonly to: number;
}

/** Which flows are wanted. Fields are ANDed; the values of one field are ORed; `{}` is every flow. */
export interface FlowFilter {
  readonly source?: EndpointFilter;
  readonly destination?: EndpointFilter;
  readonly kinds?: readonly Flow['kind'][];
  readonly verdicts?: readonly FlowVerdict[];
  readonly reasons?: readonly ReasonName[];
  readonly directions?: readonly Flow['direction'][];
  readonly protocols?: readonly ('TCP' | 'UDP' | 'HTTP')[];
  readonly families?: readonly (4 | 6)[];
  readonly paths?: readonly FlowPath[];
  readonly methods?: readonly string[];
  readonly httpPaths?: readonly PathPattern[];
  /** RE2 syntax, found anywhere in `http://host/path`. */
  readonly urls?: readonly string[];
  /** The Service that the client asked for, in its connection or of a request on it. */
  readonly services?: readonly NamePattern[];
  /** Of requests, as sent. */
  readonly hosts?: readonly string[];
  /** The flow has all flags of one of these sets. */
  readonly tcpFlags?: readonly (readonly TcpFlag[])[];
  readonly statuses?: readonly StatusRange[];
  /** 16 hex digits, as a refused client was shown. */
  readonly references?: readonly string[];
  /** Trace ids of requests, 32 hex digits in lower case. */
  readonly traces?: readonly string[];
  /** Requests that belong to a trace which its client samples, and this share, 0 to 1, of those that came without a trace. */
  readonly sampledShare?: number;
  readonly uuids?: readonly string[];
  /** Policies that decided, whatever the verdict. */
  readonly policies?: readonly NamePattern[];
}

/** Flows that match some filter of `include` (all, if it is empty) and none of `exclude`. */
export interface FlowQuery {
  readonly include: readonly FlowFilter[];
  readonly exclude: readonly FlowFilter[];
  /** How many at most; all when absent. */
  readonly limit?: number;
  /** Which end the limit counts from. Flows always come oldest first. */
  readonly end: 'newest' | 'oldest';
  /** Wall clock, ns since 1970, inclusive. */
  readonly since?: bigint;
  readonly until?: bigint;
  /** Go on with new flows after the stored ones. */
  readonly follow: boolean;
}

/** Where records were lost before the store or the reader got them. */
export type LossSource = 'flows' | 'denials' | 'proxy' | 'store';

export type FlowEvent =
  | {
      readonly type: 'flow';
      /** The same whenever it is asked for. */ readonly uuid: string;
      readonly flow: Flow;
      /** Which ends are workloads of the node that recorded it; absent: that is not known any more. */
      readonly here?: Readonly<Record<'source' | 'destination', boolean>>;
    }
  | { readonly type: 'lost'; readonly source: LossSource; readonly count: number; readonly time: bigint };

export interface FlowStats {
  readonly stored: number;
  /** How many records of the usual size would fit. */
  readonly capacity: number;
  readonly seen: number;
  readonly bytes: number;
  readonly capacityBytes: number;
  readonly lost: Readonly<Record<LossSource, number>>;
  /** Flows of the last minute, per second. */
  readonly rate: number;
}

/** What answers questions about flows: the store of this node, or later many of them. */
export interface FlowSource {
  /** Ends when the stored flows do, or with `follow` when `signal` aborts. Throws PerigeeError ERR_FILTER_INVALID. */
  query(query: FlowQuery, signal: AbortSignal): AsyncIterable<FlowEvent>;
  stats(): FlowStats;
  /** Namespaces seen in flows lately. */
  namespaces(): readonly string[];
}
