// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_SOCK_OPS_H
#define PERIGEE_LIB_SOCK_OPS_H

#include "lib/connection.h"

/* What sockops knows of the connection that it is called for. */

static __always_inline struct address local_address(struct bpf_sock_ops *ctx)
{
	if (ctx->family == AF_INET)
		return address_from4(READ32(ctx, local_ip4));
	return address_from6(READ32(ctx, local_ip6[0]), READ32(ctx, local_ip6[1]),
			     READ32(ctx, local_ip6[2]), READ32(ctx, local_ip6[3]));
}

static __always_inline struct address remote_address(struct bpf_sock_ops *ctx)
{
	if (ctx->family == AF_INET)
		return address_from4(READ32(ctx, remote_ip4));
	return address_from6(READ32(ctx, remote_ip6[0]), READ32(ctx, remote_ip6[1]),
			     READ32(ctx, remote_ip6[2]), READ32(ctx, remote_ip6[3]));
}

/* The 4-tuple as the connecting side orders it. */
static __always_inline void tuple_of(struct bpf_sock_ops *ctx, bool connecting,
				     struct tuple_key *key)
{
	struct address local = local_address(ctx), remote = remote_address(ctx);
	__u16 local_port = ctx->local_port, remote_port = bpf_ntohl(ctx->remote_port);

	key->netns = bpf_get_netns_cookie(ctx);
	address_copy(key->source_address, connecting ? &local : &remote);
	address_copy(key->destination_address, connecting ? &remote : &local);
	key->source_port = connecting ? local_port : remote_port;
	key->destination_port = connecting ? remote_port : local_port;
}

static __always_inline void record_of(struct bpf_sock_ops *ctx, const struct connection *connection,
				      struct flow_record *record)
{
	bool connecting = connection->direction == DIRECTION_EGRESS;
	struct address local = local_address(ctx), remote = remote_address(ctx);
	__u16 local_port = ctx->local_port, remote_port = bpf_ntohl(ctx->remote_port);

	record->time = bpf_ktime_get_ns();
	record->connection = bpf_get_socket_cookie(ctx);
	address_copy(record->source_address, connecting ? &local : &remote);
	address_copy(record->destination_address, connecting ? &remote : &local);
	record->source_port = connecting ? local_port : remote_port;
	record->destination_port = connecting ? remote_port : local_port;
	record->source_identity = connection->source_identity;
	record->destination_identity = connection->destination_identity;
	record->source_workload = connection->source_workload;
	record->destination_workload = connection->destination_workload;
	record->service = connection->service;
	record->egress_rule = connection->egress_rule;
	record->ingress_rule = connection->ingress_rule;
	record->verdict = connection->verdict;
	record->direction = connection->direction;
	record->path = connection->path;
	record->protocol = IPPROTO_TCP;
	record->family = address_is4(&remote) ? 4 : 6;
}

#endif
