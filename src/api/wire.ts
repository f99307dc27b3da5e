// SPDX-License-Identifier: Apache-2.0
import type { TcpFlag } from '../core/flow.ts';

// Hubble's messages as the loader gives them: fields at their default are absent, 64-bit numbers are text.

export interface WireTimestamp {
  readonly seconds?: string;
  readonly nanos?: number;
}

export interface WireEndpoint {
  readonly identity?: number;
  readonly namespace?: string;
  readonly labels?: readonly string[];
  readonly pod_name?: string;
  readonly workloads?: readonly { readonly name?: string; readonly kind?: string }[];
}

export interface WirePolicy {
  readonly name?: string;
  readonly namespace?: string;
  readonly kind?: string;
  readonly labels?: readonly string[];
}

export interface WireRule {
  readonly kind?: string;
  readonly namespace?: string;
  readonly policy?: string;
  readonly direction?: string;
  readonly rule?: string;
  readonly file?: string;
  readonly line?: number;
}

export interface WireDetail {
  readonly kind?: string;
  readonly reason?: string;
  readonly reference?: string;
  readonly path?: string;
  readonly egress_rule?: WireRule;
  readonly ingress_rule?: WireRule;
  readonly duration_ns?: string;
  readonly bytes_sent?: string;
  readonly bytes_received?: string;
  readonly rtt_us?: number;
  readonly retransmits?: number;
  readonly closer?: string;
  readonly boosted_kib?: number;
  readonly source_service_account?: string;
  readonly destination_service_account?: string;
  readonly source_entity?: string;
  readonly destination_entity?: string;
  readonly host?: string;
  readonly http_path?: string;
  readonly timing?: {
    readonly request_ns?: string;
    readonly server_ns?: string;
    readonly response_ns?: string;
  };
  readonly service_port?: number;
  readonly grpc_status?: { readonly code?: number };
  readonly trace_parent?: { readonly span_id?: string; readonly sampled?: boolean };
}

export interface WireHeader {
  readonly key?: string;
  readonly value?: string;
}

interface WirePorts {
  readonly source_port?: number;
  readonly destination_port?: number;
}

export interface WireFlow {
  readonly time?: WireTimestamp;
  readonly uuid?: string;
  readonly verdict?: string;
  readonly drop_reason?: number;
  readonly drop_reason_desc?: string;
  readonly IP?: { readonly source?: string; readonly destination?: string; readonly ipVersion?: string };
  readonly l4?: { readonly TCP?: WirePorts & { readonly flags?: object }; readonly UDP?: WirePorts };
  readonly source?: WireEndpoint;
  readonly destination?: WireEndpoint;
  readonly Type?: string;
  readonly node_name?: string;
  readonly source_names?: readonly string[];
  readonly destination_names?: readonly string[];
  readonly l7?: {
    readonly type?: string;
    readonly latency_ns?: string;
    readonly http?: {
      readonly code?: number;
      readonly method?: string;
      readonly url?: string;
      readonly protocol?: string;
      readonly headers?: readonly WireHeader[];
    };
  };
  readonly event_type?: { readonly type?: number; readonly sub_type?: number };
  readonly destination_service?: { readonly name?: string; readonly namespace?: string };
  readonly traffic_direction?: string;
  readonly is_reply?: { readonly value?: boolean };
  readonly trace_context?: { readonly parent?: { readonly trace_id?: string } };
  readonly socket_cookie?: string;
  readonly trace_reason?: string;
  readonly egress_allowed_by?: readonly WirePolicy[];
  readonly ingress_allowed_by?: readonly WirePolicy[];
  readonly egress_denied_by?: readonly WirePolicy[];
  readonly ingress_denied_by?: readonly WirePolicy[];
  readonly policy_match_type?: number;
  readonly Summary?: string;
  readonly perigee?: WireDetail;
}

export interface WireSelection {
  readonly reference?: readonly string[];
  readonly reason?: readonly string[];
  readonly path?: readonly string[];
  readonly kind?: readonly string[];
  readonly http_path_exact?: readonly string[];
  readonly http_path_prefix?: readonly string[];
  readonly policy?: readonly string[];
  readonly source_entity?: readonly string[];
  readonly destination_entity?: readonly string[];
}

export interface WireFilter {
  readonly uuid?: readonly string[];
  readonly trace_id?: readonly string[];
  readonly source_ip?: readonly string[];
  readonly source_pod?: readonly string[];
  readonly source_fqdn?: readonly string[];
  readonly source_label?: readonly string[];
  readonly source_workload?: readonly { readonly name?: string; readonly kind?: string }[];
  readonly source_port?: readonly string[];
  readonly source_identity?: readonly number[];
  readonly destination_ip?: readonly string[];
  readonly destination_pod?: readonly string[];
  readonly destination_fqdn?: readonly string[];
  readonly destination_label?: readonly string[];
  readonly destination_workload?: readonly { readonly name?: string; readonly kind?: string }[];
  readonly destination_port?: readonly string[];
  readonly destination_identity?: readonly number[];
  readonly traffic_direction?: readonly string[];
  readonly verdict?: readonly string[];
  readonly event_type?: readonly {
    readonly type?: number;
    readonly match_sub_type?: boolean;
    readonly sub_type?: number;
  }[];
  readonly http_status_code?: readonly string[];
  readonly protocol?: readonly string[];
  readonly reply?: readonly boolean[];
  readonly http_method?: readonly string[];
  readonly http_path?: readonly string[];
  readonly http_url?: readonly string[];
  readonly http_header?: readonly WireHeader[];
  readonly tcp_flags?: readonly Readonly<Partial<Record<TcpFlag, boolean>>>[];
  readonly node_name?: readonly string[];
  readonly ip_version?: readonly string[];
  readonly source_service?: readonly string[];
  readonly destination_service?: readonly string[];
  readonly encrypted?: readonly boolean[];
  readonly drop_reason_desc?: readonly string[];
  readonly perigee?: WireSelection;
}

/** Which part of what is stored, and whether to go on. */
export interface WireEventsRequest {
  readonly number?: string;
  readonly first?: boolean;
  readonly follow?: boolean;
  readonly since?: WireTimestamp;
  readonly until?: WireTimestamp;
}

export interface WireAgentEvent {
  readonly type: string;
  readonly agent_start?: { readonly time: WireTimestamp };
  readonly policy_update?: {
    readonly labels: readonly string[];
    readonly revision: string;
    readonly rule_count: string;
  };
  readonly endpoint_update?: {
    readonly id: string;
    readonly labels: readonly string[];
    readonly pod_name: string;
    readonly namespace: string;
  };
}

export interface WireAgentEventsResponse {
  readonly agent_event?: WireAgentEvent;
  readonly node_name?: string;
  readonly time?: WireTimestamp;
}

export interface WireFlowsRequest extends WireEventsRequest {
  readonly whitelist?: readonly WireFilter[];
  readonly blacklist?: readonly WireFilter[];
  readonly field_mask?: { readonly paths?: readonly string[] };
}

export interface WireFlowsResponse {
  readonly flow?: WireFlow;
  readonly lost_events?: { readonly source?: string; readonly num_events_lost?: string };
  readonly node_name?: string;
  readonly time?: WireTimestamp;
}
