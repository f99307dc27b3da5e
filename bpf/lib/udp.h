// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_UDP_H
#define PERIGEE_LIB_UDP_H

#include "lib/address.h"

/*
 * A datagram from a peer that this very socket wrote to is an answer and is let
 * in. Kept per socket, so that no pod can push out another's entries.
 */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct udp_peers);
	MAP_PINNED;
} udp_peers SEC(".maps");

/* Who wrote to a socket and was let in: for recording each once, never for letting in. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct udp_peers);
	MAP_PINNED;
} udp_callers SEC(".maps");

static __always_inline __u32 udp_peer_set(const struct address *address, __u16 port)
{
	__u32 hash =
		address->word[0] ^ address->word[1] ^ address->word[2] ^ address->word[3] ^ port;

	hash ^= hash >> 16;
	hash ^= hash >> 8;
	hash ^= hash >> 4;
	return (hash & (UDP_PEER_SETS - 1)) * UDP_PEER_WAYS;
}

static __always_inline bool udp_peer_matches(const struct udp_peer *peer,
					     const struct address *address, __u16 port)
{
	const __u64 *half = (const __u64 *)peer->address; /* 8-byte aligned: udp_peer is 24 bytes */

	return peer->port == port && half[0] == address->half[0] && half[1] == address->half[1];
}

/* Returns true when the peer is new to the socket (or was forgotten). */
static __always_inline bool udp_remember(struct udp_peers *peers, const struct address *address,
					 __u16 port)
{
	__u32 now = bpf_ktime_get_ns() / NS_PER_SECOND;
	__u32 first = udp_peer_set(address, port), oldest = first;

	if (!peers)
		return true;
	for (__u32 way = 0; way < UDP_PEER_WAYS; way++) {
		struct udp_peer *peer = &peers->peer[(first + way) & 63];

		if (udp_peer_matches(peer, address, port)) {
			bool forgotten = now - peer->seconds > UDP_PEER_SECONDS;

			peer->seconds = now;
			return forgotten;
		}
		if (peer->seconds < peers->peer[oldest & 63].seconds)
			oldest = first + way;
	}
	address_copy(peers->peer[oldest & 63].address, address);
	peers->peer[oldest & 63].port = port;
	peers->peer[oldest & 63].seconds = now;
	return true;
}

static __always_inline bool udp_peer_remember(struct bpf_sock *sk, const struct address *address,
					      __u16 port)
{
	return udp_remember(bpf_sk_storage_get(&udp_peers, sk, 0, BPF_SK_STORAGE_GET_F_CREATE),
			    address, port);
}

static __always_inline bool udp_caller_remember(struct bpf_sock *sk, const struct address *address,
						__u16 port)
{
	return udp_remember(bpf_sk_storage_get(&udp_callers, sk, 0, BPF_SK_STORAGE_GET_F_CREATE),
			    address, port);
}

static __always_inline bool udp_peer_known(struct bpf_sock *sk, const struct address *address,
					   __u16 port)
{
	struct udp_peers *peers = bpf_sk_storage_get(&udp_peers, sk, 0, 0);
	__u32 now = bpf_ktime_get_ns() / NS_PER_SECOND;
	__u32 first = udp_peer_set(address, port);

	if (!peers)
		return false;
	for (__u32 way = 0; way < UDP_PEER_WAYS; way++) {
		struct udp_peer *peer = &peers->peer[(first + way) & 63];

		if (udp_peer_matches(peer, address, port) &&
		    now - peer->seconds <= UDP_PEER_SECONDS)
			return true;
	}
	return false;
}

#endif
