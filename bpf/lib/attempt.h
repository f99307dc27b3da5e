// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_ATTEMPT_H
#define PERIGEE_LIB_ATTEMPT_H

#include "lib/flow.h"
#include "lib/policy.h"
#include "lib/workload.h"

/* A governed workload's wish to reach a destination, and what both sides' policies say. */
struct attempt {
	struct address destination;
	const struct workload *owner; /* the workload's entry */
	__u32 workload;
	__u32 identity;
	__u32 flags;
	struct ipcache_entry peer;
	struct policy_verdict egress;
	struct policy_verdict ingress; /* of a destination on this node */
	__u32 service; /* that was asked for, 0: none; then the destination is its backend */
	__u16 port; /* host byte order */
	__u16 reason;
	__u8 protocol;
	__u8 family;
	__u8 action; /* enum policy_action of both sides together */
	__u8 direction; /* the side that refused */
};

static __always_inline void attempt_from(struct attempt *attempt, const struct workload *workload)
{
	attempt->owner = workload;
	attempt->workload = workload->id;
	attempt->identity = workload->identity;
	attempt->flags = workload->flags;
}

/*
 * Both sides must allow. A side that asks for the proxy gets it; a refusal by
 * either is final. Ingress that is inline allows the connection: its requests
 * are judged where they arrive.
 */
static __always_inline void attempt_decide(struct attempt *attempt)
{
	struct policy_side egress = {
		.workload = attempt->workload,
		.flags = attempt->flags,
		.direction = DIRECTION_EGRESS,
		.protocol = attempt->protocol,
		.port = attempt->port,
	};
	struct policy_side ingress = {
		.peer = attempt->identity,
		.direction = DIRECTION_INGRESS,
		.protocol = attempt->protocol,
		.port = attempt->port,
	};

	attempt->peer = ipcache_find(&attempt->destination);
	attempt->direction = DIRECTION_EGRESS;
	attempt->action = ACTION_ALLOW;
	if (attempt->peer.workload && attempt->peer.workload == attempt->workload)
		return; /* to itself */
	egress.peer = attempt->peer.identity;
	attempt->egress = policy_decide(&egress);
	if (attempt->egress.action == ACTION_DENY) {
		attempt->action = ACTION_DENY;
		attempt->reason = attempt->egress.reason;
		return;
	}
	/* A datagram may be an answer, which only the receiving socket knows: packet.bpf.c judges
	 * it there. */
	if (attempt->protocol == IPPROTO_UDP)
		return;
	ingress.workload = attempt->peer.workload;
	ingress.flags = attempt->peer.workload ? attempt->peer.flags : 0;
	attempt->ingress = policy_decide(&ingress);
	if (attempt->ingress.action == ACTION_DENY) {
		attempt->action = ACTION_DENY;
		attempt->direction = DIRECTION_INGRESS;
		attempt->reason = attempt->ingress.reason;
		return;
	}
	if (attempt->ingress.action == ACTION_INLINE && is_sharer(attempt->workload))
		attempt->ingress.action = ACTION_PROXY;
	if (attempt->egress.action == ACTION_PROXY || attempt->ingress.action == ACTION_PROXY)
		attempt->action = ACTION_PROXY;
}

/* Nothing that is enforced depends on the proxy: without it the connection goes direct. */
static __always_inline bool attempt_only_reports(const struct attempt *attempt)
{
	return attempt->action == ACTION_PROXY && !policy_enforces_requests(&attempt->egress) &&
	       !policy_enforces_requests(&attempt->ingress);
}

static __always_inline void attempt_flow(const struct attempt *attempt, struct flow_record *record)
{
	record->time = bpf_ktime_get_ns();
	address_copy(record->destination_address, &attempt->destination);
	record->source_identity = attempt->identity;
	record->destination_identity = attempt->peer.identity;
	record->source_workload = attempt->workload;
	record->destination_workload = attempt->peer.workload;
	record->egress_rule = attempt->egress.rule;
	record->ingress_rule = attempt->ingress.rule;
	record->destination_port = attempt->port;
	record->service = attempt->service;
	record->kind = FLOW_VERDICT;
	record->direction = attempt->direction;
	record->path = PATH_DIRECT;
	record->protocol = attempt->protocol;
	record->family = attempt->family;
}

/* Of a connection that isn't steered. */
static __always_inline __u8 attempt_path(const struct attempt *attempt)
{
	return policy_reads(&attempt->ingress) ? PATH_INLINE : PATH_DIRECT;
}

static __always_inline __u8 attempt_verdict(const struct attempt *attempt)
{
	return attempt->egress.audit == AUDIT_DENY || attempt->ingress.audit == AUDIT_DENY
		       ? VERDICT_AUDITED
		       : VERDICT_ALLOWED;
}

static __always_inline void attempt_count(const struct attempt *attempt)
{
	if (attempt->action == ACTION_DENY) {
		bool ingress = attempt->direction == DIRECTION_INGRESS;

		verdict_count(ingress ? attempt->ingress.rule : attempt->egress.rule,
			      attempt->direction, VERDICT_DENIED);
		return;
	}
	if (attempt->flags & WORKLOAD_EGRESS_SELECTED)
		verdict_count(attempt->egress.rule, DIRECTION_EGRESS,
			      attempt->egress.audit == AUDIT_DENY ? VERDICT_AUDITED
								  : VERDICT_ALLOWED);
	if (attempt->ingress.action && (attempt->peer.flags & WORKLOAD_INGRESS_SELECTED))
		verdict_count(attempt->ingress.rule, DIRECTION_INGRESS,
			      attempt->ingress.audit == AUDIT_DENY ? VERDICT_AUDITED
								   : VERDICT_ALLOWED);
}

/* The socket's own address; of one that has none yet, its workload's. */
static __always_inline void attempt_source(const struct attempt *attempt, struct bpf_sock *sk,
					   struct flow_record *record)
{
	struct address source;

	if (sk->family == AF_INET)
		source = address_from4(READ32(sk, src_ip4));
	else
		source = address_from6(READ32(sk, src_ip6[0]), READ32(sk, src_ip6[1]),
				       READ32(sk, src_ip6[2]), READ32(sk, src_ip6[3]));
	if (source.word[3])
		address_copy(record->source_address, &source);
	else if (attempt->owner)
		__builtin_memcpy(record->source_address,
				 attempt->family == 4 ? attempt->owner->address4
						      : attempt->owner->address6,
				 16);
	record->source_port = sk->src_port;
}

/* Functions: their records would not fit beside what their callers hold. Of datagrams; TCP is
 * recorded when it is open. */
SUBPROGRAM void attempt_allowed(const struct attempt *attempt, struct bpf_sock *sk, __u64 cookie)
{
	struct flow_record record = {};

	attempt_flow(attempt, &record);
	attempt_source(attempt, sk, &record);
	record.connection = cookie;
	record.verdict = attempt_verdict(attempt);
	flow_emit_allowed(&record);
}

SUBPROGRAM void attempt_refused(const struct attempt *attempt, struct bpf_sock *sk, __u64 cookie)
{
	struct flow_record record = {};

	attempt_flow(attempt, &record);
	attempt_source(attempt, sk, &record);
	record.connection = cookie;
	record.verdict = VERDICT_DENIED;
	record.reason = attempt->reason;
	flow_emit_denied(&record);
}

#endif
