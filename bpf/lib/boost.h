// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_BOOST_H
#define PERIGEE_LIB_BOOST_H

#include "lib/connection.h"
#include "lib/boosted-stream.h"
#include "lib/handshake.h"
#include "abi/boost.h"

/*
 * Connections whose two ends are on this node and whose workloads both ask for
 * boost. sockops finds the pairs; boost.bpf.c lets them in and redirects.
 */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct boost_settings);
	MAP_PINNED;
} boost_settings SEC(".maps");

/* How often an agent's walk was asked for. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
	MAP_PINNED;
} boost_calls SEC(".maps");

/* From the client's end of the handshake to the server's: microseconds. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct handshake_key);
	__type(value, struct boost_offer);
	MAP_PINNED;
} boost_offers SEC(".maps");

/* By the client's socket cookie. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct boost_pair);
	MAP_PINNED;
} boost_pairs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct boost_end);
	MAP_PINNED;
} boost_ends SEC(".maps");

/* By enum boost_outcome. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, BOOST_OUTCOME_COUNT);
	__type(key, __u32);
	__type(value, __u64);
	MAP_PINNED;
} boost_counts SEC(".maps");

/* Why whose connections were not boosted. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct boost_refusal_key);
	__type(value, __u64);
	MAP_PINNED;
} boost_refusals SEC(".maps");

static __always_inline struct boost_settings *boost_settings_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&boost_settings, &zero);
}

static __always_inline void boost_call(void)
{
	counter_add(&boost_calls, 0);
}

static __always_inline void boost_count(__u32 outcome)
{
	counter_add(&boost_counts, outcome);
}

static __always_inline void boost_refused(__u32 workload, __u32 outcome)
{
	struct boost_refusal_key key = { .workload = workload, .outcome = outcome };
	__u64 one = 1, *count = bpf_map_lookup_elem(&boost_refusals, &key);

	boost_count(outcome);
	if (count)
		__sync_fetch_and_add(count, 1);
	else
		bpf_map_update_elem(&boost_refusals, &key, &one, BPF_ANY);
}

/*
 * The pair of a socket's end, NULL: it has none. A client's socket that was connected again has
 * left its earlier server behind.
 */
static __always_inline struct boost_pair *boost_pair_of(const struct boost_end *end, __u64 cookie)
{
	__u64 key = end->pair;
	struct boost_pair *pair = bpf_map_lookup_elem(&boost_pairs, &key);

	return pair && pair->side[end->side & 1].cookie == cookie ? pair : NULL;
}

/*
 * Marks a socket that may be boosted, where a look at the socket itself finds it: whoever reads
 * from any other pays for that look alone. `sockops` is called for the flag at a timer's
 * retransmission, rarely, and lets it go.
 */
#define BOOST_CANDIDATE BPF_SOCK_OPS_RTO_CB_FLAG

static __always_inline bool boost_candidate(const struct sock *sk)
{
	const struct tcp_sock *tcp =
		bpf_rdonly_cast((void *)sk, bpf_core_type_id_kernel(struct tcp_sock));

	/* In a map of sockets; or it waits, and nobody else's program has taken the flag away. */
	return sk->sk_user_data || (tcp->bpf_sock_ops_cb_flags & BOOST_CANDIDATE);
}

/* The client's end has heard from its server, which has not heard that yet. */
static __always_inline void boost_offer(struct bpf_sock_ops *ctx, struct bpf_sock *sk,
					__u32 source_workload, __u32 destination_workload,
					const struct tuple_key *tuple)
{
	struct boost_settings *settings = boost_settings_get();
	struct boost_offer offer = {};
	struct handshake_key key = {};
	struct boost_end *end;
	struct tcp_sock *tcp;

	if (!settings || !settings->enabled)
		return;
	tcp = bpf_skc_to_tcp_sock(sk);
	end = bpf_sk_storage_get(&boost_ends, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!tcp || !end)
		return;
	offer.socket = (__u64)tcp;
	offer.cookie = bpf_get_socket_cookie(ctx);
	end->pair = offer.cookie;
	end->side = 0;
	handshake_key_of(ctx, true, tuple, source_workload, destination_workload, &key);
	bpf_map_update_elem(&boost_offers, &key, &offer, BPF_ANY);
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG |
					       BOOST_CANDIDATE);
}

/* A pair that is being made; too large for the stack. It says what it is when the rest is there. */
static __always_inline struct boost_pair *boost_pair_make(__u64 key)
{
	static const struct boost_pair none SEC(".rodata.no_pair");

	if (bpf_map_update_elem(&boost_pairs, &key, &none, BPF_ANY))
		return NULL;
	return bpf_map_lookup_elem(&boost_pairs, &key);
}

/* The server's end: the other one is on this node if it has made an offer. */
static __always_inline void boost_meet(struct bpf_sock_ops *ctx, struct bpf_sock *sk,
				       __u32 source_workload, __u32 destination_workload,
				       const struct tuple_key *tuple, bool http)
{
	struct boost_settings *settings = boost_settings_get();
	struct handshake_key key = {};
	struct boost_offer *found, offer;
	struct boost_pair *pair;
	struct boost_end *end;
	struct tcp_sock *tcp;

	if (!settings || !settings->enabled)
		return;
	handshake_key_of(ctx, false, tuple, source_workload, destination_workload, &key);
	found = bpf_map_lookup_elem(&boost_offers, &key);
	if (!found)
		return;
	offer = *found;
	bpf_map_delete_elem(&boost_offers, &key);
	tcp = bpf_skc_to_tcp_sock(sk);
	end = bpf_sk_storage_get(&boost_ends, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!tcp || !end)
		return;
	end->pair = offer.cookie;
	end->side = 1;
	pair = boost_pair_make(offer.cookie);
	if (!pair) {
		boost_refused(destination_workload, BOOST_MAP_FULL);
		return;
	}
	pair->http = http;
	pair->side[0].socket = offer.socket;
	pair->side[0].cookie = offer.cookie;
	pair->side[0].workload = source_workload;
	pair->side[1].socket = (__u64)tcp;
	pair->side[1].cookie = bpf_get_socket_cookie(ctx);
	pair->side[1].workload = destination_workload;
	pair->since = bpf_ktime_get_ns();
	__sync_fetch_and_or(&pair->state, BOOST_WAITING);
	boost_call();
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG |
					       BOOST_CANDIDATE);
}

/* What was redirected to a socket stays with it when it is disconnected: nobody else may be its
 * peer. */
static __always_inline bool boost_holds(struct bpf_sock *sk)
{
	struct boost_end *end = bpf_sk_storage_get(&boost_ends, sk, 0, 0);

	return end && end->entered;
}

static __always_inline void boost_bytes(const struct boost_end *end, struct flow_record *record)
{
	struct boost_pair *pair = end ? boost_pair_of(end, record->connection) : NULL;

	if (!pair)
		return;
	record->bytes_sent += pair->sent[0].bytes;
	record->bytes_received += pair->sent[1].bytes;
	record->boosted = (pair->sent[0].bytes + pair->sent[1].bytes + 1023) >> 10;
}

/* An end has closed: nothing is redirected any more. The last one takes the pair along. */
static __always_inline void boost_closed(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct boost_end *end = bpf_sk_storage_get(&boost_ends, sk, 0, 0);
	struct boost_pair *pair = end ? boost_pair_of(end, bpf_get_socket_cookie(ctx)) : NULL;
	__u32 both = 3, mine;

	if (!pair)
		return;
	mine = 1 << (end->side & 1);
	pair->state = BOOST_OFF;
	if ((__sync_fetch_and_or(&pair->closed, mine) | mine) != both)
		return;
	if (pair->http) { /* what a close found in use */
		__u64 server = pair->side[1].cookie;

		bpf_map_delete_elem(&boosted_streams, &server);
	}
	bpf_map_delete_elem(&boost_pairs, &end->pair);
}

#endif
