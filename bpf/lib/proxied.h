// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_PROXIED_H
#define PERIGEE_LIB_PROXIED_H

#include "lib/connection.h"
#include "lib/steer.h"

/* What records of connections that go through the proxy need to know beside their sockets. */

/*
 * Why the proxy ends a connection, by the connection's number in records: said before its socket is
 * closed, taken by the record of the close. What comes too late for that is pushed out: a client
 * that leaves in the middle of a head can have as many of them as it likes.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct ending);
	MAP_PINNED;
} endings SEC(".maps");

static __always_inline void ending_take(struct flow_record *record)
{
	struct ending *ending = bpf_map_lookup_elem(&endings, &record->connection);

	if (!ending)
		return;
	record->egress_rule = ending->egress_rule;
	record->ingress_rule = ending->ingress_rule;
	record->reason = ending->reason;
	record->verdict = ending->verdict;
	bpf_map_delete_elem(&endings, &record->connection);
}

/* The ends that a steered client meant: its socket is connected to the proxy, on its own loopback.
 */
static __always_inline void steered_ends(const struct connection *connection,
					 const struct steering *steering,
					 struct flow_record *record)
{
	struct workload_key key = { .id = connection->owner, .kind = connection->owner_kind };
	struct workload *workload;

	if (!steering)
		return;
	__builtin_memcpy(record->destination_address, steering->address, 16);
	record->destination_port = steering->port;
	if (!address_is_loopback((const struct address *)record->source_address))
		return;
	workload = bpf_map_lookup_elem(&workloads, &key);
	if (workload)
		__builtin_memcpy(record->source_address,
				 steering->family == 4 ? workload->address4 : workload->address6,
				 16);
}

#endif
