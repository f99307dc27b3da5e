// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_CONNECTION_H
#define PERIGEE_LIB_CONNECTION_H

#include "lib/attempt.h"

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct connection);
	MAP_PINNED;
} connections SEC(".maps");

/* A missing storage costs the record, never the verdict: the connection goes on unobserved. */
static __always_inline void connection_begin(struct bpf_sock *sk, const struct attempt *attempt,
					     __u8 path)
{
	struct connection *connection =
		bpf_sk_storage_get(&connections, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!connection)
		return;
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
	connection->verdict = attempt_verdict(attempt);
}

#endif
