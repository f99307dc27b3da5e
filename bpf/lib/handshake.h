// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_HANDSHAKE_H
#define PERIGEE_LIB_HANDSHAKE_H

#include "lib/address.h"

/*
 * The word that the client's end of a connection within this node leaves for the
 * server's, under a key that both have from the handshake: what nobody took is
 * nobody else's. The client's end comes first, as its last segment ends the
 * server's handshake.
 */
static __always_inline void handshake_key_of(struct bpf_sock_ops *ctx, bool connecting,
					     const struct tuple_key *tuple, __u32 source_workload,
					     __u32 destination_workload, struct handshake_key *key)
{
	__builtin_memcpy(key->source_address, tuple->source_address, 16);
	__builtin_memcpy(key->destination_address, tuple->destination_address, 16);
	key->source_port = tuple->source_port;
	key->destination_port = tuple->destination_port;
	key->source_workload = source_workload;
	key->destination_workload = destination_workload;
	key->source_sequence = connecting ? ctx->snd_nxt : ctx->rcv_nxt;
	key->destination_sequence = connecting ? ctx->rcv_nxt : ctx->snd_nxt;
}

#endif
