// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_CONNECTION_H
#define PERIGEE_LIB_CONNECTION_H

#include "lib/attempt.h"

/*
 * The one truth about who a connection belongs to: what records, counts and
 * closes connections reads it here.
 */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct connection);
	MAP_PINNED;
} connections SEC(".maps");

static __always_inline void connection_owned(struct connection *connection,
					     const struct workload *owner)
{
	connection->owner = owner->kernel_id;
	connection->owner_kind = owner->kind;
}

/* A proxied connection has its other end at the proxy, which can bear it whoever the server is. */
static __always_inline __u8 attempt_boost(const struct attempt *attempt, __u8 path)
{
	__u32 asking = attempt->flags;

	if (path != PATH_PROXIED)
		asking &= attempt->peer.flags;
	return asking & WORKLOAD_BOOST ? 1 : 0;
}

/*
 * False: there is no room at the socket. A connection that policy speaks of is
 * refused then, because a later policy could not close it for certain.
 */
static __always_inline bool connection_begin(struct bpf_sock *sk, const struct attempt *attempt,
					     __u8 path)
{
	struct connection *connection =
		bpf_sk_storage_get(&connections, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!connection || !attempt->owner)
		return !(attempt->flags & WORKLOAD_EGRESS_SELECTED) &&
		       !(attempt->peer.flags & WORKLOAD_INGRESS_SELECTED);
	connection_owned(connection, attempt->owner);
	connection->start = bpf_ktime_get_ns();
	connection->source_identity = attempt->identity;
	connection->destination_identity = attempt->peer.identity;
	connection->source_workload = attempt->workload;
	connection->destination_workload = attempt->peer.workload;
	connection->egress_rule = attempt->egress.rule;
	connection->ingress_rule = attempt->ingress.rule;
	connection->direction = DIRECTION_EGRESS;
	connection->path = path;
	connection->established = 0;
	connection->recorded = 1;
	connection->verdict = attempt_verdict(attempt);
	connection->boost = attempt_boost(attempt, path);
	connection->service = attempt->service;
	return true;
}

/* Of a socket that a workload accepted; the peer as it is known now. NULL: no room. */
static __always_inline struct connection *connection_accept(struct bpf_sock *sk,
							    const struct workload *workload,
							    const struct ipcache_entry *peer,
							    __u8 path)
{
	struct connection *connection =
		bpf_sk_storage_get(&connections, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!connection)
		return NULL;
	connection_owned(connection, workload);
	connection->start = bpf_ktime_get_ns();
	connection->source_identity = peer->identity;
	connection->source_workload = peer->workload;
	connection->destination_identity = workload->identity;
	connection->destination_workload = workload->id;
	connection->direction = DIRECTION_INGRESS;
	connection->path = path;
	connection->established = 1;
	connection->verdict = VERDICT_ALLOWED;
	return connection;
}

static __always_inline void connection_bytes(const struct tcp_sock *tcp, bool connecting,
					     struct flow_record *record)
{
	/* bytes_acked would count SYN and FIN, too. */
	__u64 sent = tcp->bytes_sent - tcp->bytes_retrans;
	__u64 received = tcp->bytes_received;

	if (received && (tcp->inet_conn.icsk_inet.sk.__sk_common.skc_flags & (1UL << SOCK_DONE)))
		received -= 1; /* the peer's FIN counts */
	record->bytes_sent = connecting ? sent : received;
	record->bytes_received = connecting ? received : sent;
}

#endif
