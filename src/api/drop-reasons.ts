// SPDX-License-Identifier: Apache-2.0
import type { ReasonName } from '../core/reasons.ts';

/** Numbers of Hubble's drop reasons that Perigee uses. */
export const dropReasonNumbers = {
  DROP_REASON_UNKNOWN: 0,
  INVALID_SOURCE_IP: 132,
  POLICY_DENIED: 133,
  INVALID_PACKET_DROPPED: 134,
  SERVICE_BACKEND_NOT_FOUND: 158,
  FAILED_TO_INSERT_INTO_PROXYMAP: 161,
  NO_CONFIGURATION_AVAILABLE_TO_PERFORM_POLICY_DECISION: 165,
  INVALID_IDENTITY: 171,
  PROXY_REDIRECTION_NOT_SUPPORTED_FOR_PROTOCOL: 180,
  POLICY_DENY: 181,
  DROP_RATE_LIMITED: 198,
  DROP_EP_NOT_READY: 203,
} as const;

export type DropReason = keyof typeof dropReasonNumbers;

/** What Hubble's clients are told; those without a counterpart are unknown to them. */
const mapped: Partial<Readonly<Record<ReasonName, DropReason>>> = {
  'policy-denied': 'POLICY_DENY',
  'policy-no-rule': 'POLICY_DENIED',
  'policy-state-missing': 'NO_CONFIGURATION_AVAILABLE_TO_PERFORM_POLICY_DECISION',
  'proxy-unavailable': 'DROP_EP_NOT_READY',
  'steer-failed': 'FAILED_TO_INSERT_INTO_PROXYMAP',
  'state-not-kept': 'FAILED_TO_INSERT_INTO_PROXYMAP',
  'protocol-refused': 'PROXY_REDIRECTION_NOT_SUPPORTED_FOR_PROTOCOL',
  'source-forged': 'INVALID_SOURCE_IP',
  'stray-segment': 'POLICY_DENIED',
  'device-bound': 'PROXY_REDIRECTION_NOT_SUPPORTED_FOR_PROTOCOL',
  'packet-malformed': 'INVALID_PACKET_DROPPED',
  'policy-changed': 'POLICY_DENIED',
  'workload-unknown': 'INVALID_IDENTITY',
  'segment-ambiguous': 'INVALID_PACKET_DROPPED',
  'service-no-backend': 'SERVICE_BACKEND_NOT_FOUND',
  'service-backend-gone': 'SERVICE_BACKEND_NOT_FOUND',
  'boost-reconnect': 'INVALID_PACKET_DROPPED',
  'stream-position-lost': 'INVALID_PACKET_DROPPED',
  'http-truncated': 'INVALID_PACKET_DROPPED',
  'http2-violation': 'INVALID_PACKET_DROPPED',
  'http-denied': 'POLICY_DENY',
  'http-no-rule': 'POLICY_DENIED',
  'http-upgrade-refused': 'POLICY_DENIED',
  'http-malformed': 'INVALID_PACKET_DROPPED',
  'http-framing': 'INVALID_PACKET_DROPPED',
  'http-trailer': 'INVALID_PACKET_DROPPED',
  'http-too-complex': 'POLICY_DENIED',
  'http-target-ambiguous': 'INVALID_PACKET_DROPPED',
  'connection-limit': 'DROP_RATE_LIMITED',
  'memory-limit': 'DROP_RATE_LIMITED',
};

export function dropReasonOf(reason: ReasonName): DropReason {
  return mapped[reason] ?? 'DROP_REASON_UNKNOWN';
}
