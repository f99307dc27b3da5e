// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_ASKED_H
#define PERIGEE_LIB_ASKED_H

#include "lib/connection.h"
#include "lib/handshake.h"

/*
 * The Service that a client on this node asked for, from its end of the
 * handshake to the server's, whose requests are read: for their records alone.
 */

/* Microseconds. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct handshake_key);
	__type(value, __u32);
	MAP_PINNED;
} service_asked SEC(".maps");

static __always_inline void asked_tell(struct bpf_sock_ops *ctx,
				       const struct connection *connection,
				       const struct tuple_key *tuple)
{
	struct handshake_key key = {};
	__u32 service = connection->service;

	handshake_key_of(ctx, true, tuple, connection->source_workload,
			 connection->destination_workload, &key);
	bpf_map_update_elem(&service_asked, &key, &service, BPF_ANY);
}

/* 0: none. */
static __always_inline __u32 asked_take(struct bpf_sock_ops *ctx, __u32 source_workload,
					__u32 destination_workload, const struct tuple_key *tuple)
{
	struct handshake_key key = {};
	__u32 *found, service;

	handshake_key_of(ctx, false, tuple, source_workload, destination_workload, &key);
	found = bpf_map_lookup_elem(&service_asked, &key);
	if (!found)
		return 0;
	service = *found;
	bpf_map_delete_elem(&service_asked, &key);
	return service;
}

#endif
