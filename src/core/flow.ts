// SPDX-License-Identifier: Apache-2.0
import type { ReasonName } from './reasons.ts';

/** One end of a flow, in names. */
export interface FlowEndpoint {
  /** IPv4 or IPv6, text. */
  readonly address: string;
  readonly port: number;
  readonly identity: number;
  /** Workload of this node or known by name; absent for addresses outside the mesh. */
  readonly namespace?: string;
  readonly workload?: string;
  readonly serviceAccount?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** World, Node, Cluster, …, or the prefix that gave the identity. */
  readonly entity?: string;
  /** What the workload at the other end was told by DNS that the address is called, the newest first; absent: nothing. */
  readonly dnsNames?: readonly string[];
}

/** The rule that decided, traceable to its line of YAML. */
export interface FlowRule {
  readonly kind: string;
  readonly namespace: string;
  readonly policy: string;
  readonly direction: 'egress' | 'ingress';
  /** Its `name`, or its index. */
  readonly rule: string;
  readonly file?: string;
  readonly line?: number;
}

/** The Service that a client asked for, by the port that it asked for. */
export interface FlowService {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
}

export type FlowVerdict = 'allowed' | 'denied' | 'audited' | 'error';
export const flowClosers = ['client', 'server', 'client-reset', 'server-reset', 'timeout', 'abort'] as const;
export type FlowCloser = (typeof flowClosers)[number];
export const flowKinds = ['verdict', 'close', 'request', 'opaque', 'open'] as const;
export type FlowPath = 'direct' | 'inline' | 'proxied';

export type TcpFlag = 'FIN' | 'SYN' | 'RST' | 'PSH' | 'ACK' | 'URG' | 'ECE' | 'CWR' | 'NS';

/** Flags of the segment that a flow of TCP stands for, for clients that tell flows apart by them. */
export function tcpFlagsOf({
  kind,
  verdict,
}: Pick<Flow, 'kind' | 'verdict'>): readonly ('SYN' | 'FIN' | 'ACK' | 'RST')[] {
  if (kind === 'verdict') return ['SYN'];
  if (kind === 'open') return ['ACK'];
  if (kind === 'request' || kind === 'opaque') return [];
  return verdict === 'denied' ? ['RST'] : ['FIN', 'ACK'];
}

export interface FlowTiming {
  /** From the end of the head until all of the request had been passed on. */
  readonly request: number;
  /** From there to the first byte of the response. */
  readonly server: number;
  /** From there to its last. */
  readonly response: number;
}

export interface FlowTrace {
  /** 32 hex digits. */
  readonly id: string;
  /** 16 hex digits: the span that sent the request. */
  readonly parent: string;
  readonly sampled: boolean;
}

/** What happened, decoded from a flow record (bpf/abi/flow.h) and joined with names. */
export interface Flow {
  /** Wall clock, ns since 1970. */
  readonly time: bigint;
  readonly kind: (typeof flowKinds)[number];
  readonly verdict: FlowVerdict;
  readonly reason: ReasonName;
  readonly direction: 'egress' | 'ingress';
  readonly path: FlowPath;
  readonly protocol: 'TCP' | 'UDP';
  readonly source: FlowEndpoint;
  readonly destination: FlowEndpoint;
  /** Deciding rules of the two sides, where a policy selected them. */
  readonly egressRule?: FlowRule;
  readonly ingressRule?: FlowRule;
  /** Socket cookie, decimal: joins the records of one connection. */
  readonly connection: string;
  /** ns. */
  readonly duration: number;
  /** Of a connection that is open or has ended: since it was opened. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** µs, smoothed; 0: not measured. */
  readonly rtt: number;
  readonly retransmits: number;
  /** Of those, KiB that passed TCP by; absent: none, or no end of a connection. */
  readonly boostedKib?: number;
  /** Which end ended the connection, where it did. */
  readonly closer?: FlowCloser;
  /** That was asked for by the client of a connection, or of a request's; the destination is the backend. */
  readonly service?: FlowService;
  /** Shown to a refused client, 16 hex digits. */
  readonly reference?: string;
  readonly http?: {
    readonly method: string;
    readonly path: string;
    readonly host: string;
    readonly status: number;
    /** It came over HTTP/2. */
    readonly isHttp2?: true;
    /** Of the response to a gRPC call. */
    readonly grpcStatus?: number;
  };
  /** Parts of a request's `duration`, ns, where its response came by the proxy. */
  readonly timing?: FlowTiming;
  /** W3C trace context that the client sent with a request. */
  readonly trace?: FlowTrace;
}
