// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_ASKED_H
#define PERIGEE_LIB_ASKED_H

#include "lib/boost.h"

/*
 * The Service that a client on this node asked for, from its end of the
 * handshake to the server's, whose requests are read: for their records alone.
 */

/* Microseconds; by what both ends have seen, so what nobody took is nobody else's. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct boost_offer_key);
	__type(value, __u32);
	MAP_PINNED;
} service_asked SEC(".maps");

static __always_inline void asked_tell(struct bpf_sock_ops *ctx,
				       const struct connection *connection,
				       const struct tuple_key *tuple)
{
	struct boost_offer_key key = {};
	__u32 service = connection->service;

	boost_offer_key_of(&key, tuple, connection->source_workload,
			   connection->destination_workload);
	key.source_sequence = ctx->snd_nxt;
	key.destination_sequence = ctx->rcv_nxt;
	bpf_map_update_elem(&service_asked, &key, &service, BPF_ANY);
}

/* 0: none. */
static __always_inline __u32 asked_take(struct bpf_sock_ops *ctx, __u32 source_workload,
					__u32 destination_workload, const struct tuple_key *tuple)
{
	struct boost_offer_key key = {};
	__u32 *found, service;

	boost_offer_key_of(&key, tuple, source_workload, destination_workload);
	key.source_sequence = ctx->rcv_nxt;
	key.destination_sequence = ctx->snd_nxt;
	found = bpf_map_lookup_elem(&service_asked, &key);
	if (!found)
		return 0;
	service = *found;
	bpf_map_delete_elem(&service_asked, &key);
	return service;
}

#endif
