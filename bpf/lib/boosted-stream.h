// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_BOOSTED_STREAM_H
#define PERIGEE_LIB_BOOSTED_STREAM_H

#include "lib/stream.h"

/*
 * A boosted connection with HTTP policy: requests come by TCP or past it, and
 * the server reads what came past TCP first. That stays the order in which they
 * were judged as long as each of them begins and ends where a request does. So
 * only whole requests go past TCP, only while TCP's side is between two, and it
 * gets no further until they are known to have arrived.
 */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct boosted_stream);
	MAP_PINNED;
} boosted_streams SEC(".maps");

static __always_inline struct boosted_stream *boosted_of(const struct http_stream *moved)
{
	__u64 cookie = moved->cookie;

	return bpf_map_lookup_elem(&boosted_streams, &cookie);
}

#define INSERTING_MANY 0xffffffffU

/* Linux holds a socket's psock once for its map and once for each call that sends or receives. */
#define PSOCK_IDLE   1
#define PSOCK_MINE   2
#define PSOCK_TAGGED 7ULL

/* How many hold the psock; 0: there is none any more. */
static __always_inline __u32 psock_holders(const struct tcp_sock *tcp)
{
	__u64 address = (__u64)tcp->inet_conn.icsk_inet.sk.sk_user_data & ~PSOCK_TAGGED;
	struct sk_psock *psock = (void *)address;

	return psock ? BPF_CORE_READ(psock, refcnt.refs.counter) : 0;
}

/*
 * Holds the stream. False: another does, or its memory is another connection's by now; maps give it
 * out again at once.
 */
static __always_inline bool boosted_take(struct boosted_stream *boosted, __u64 cookie)
{
	if (__sync_val_compare_and_swap(&boosted->stream.busy, 0, 1))
		return false;
	if (boosted->stream.cookie == cookie)
		return true;
	__sync_fetch_and_and(&boosted->stream.busy, 0);
	return false;
}

static __always_inline void boosted_give(struct boosted_stream *boosted)
{
	__sync_fetch_and_and(&boosted->stream.busy, 0);
}

/* What was redirected has arrived, so TCP may go on. Called by who holds `busy`. */
static __always_inline bool insertion_ended(struct boosted_stream *boosted)
{
	struct tcp_sock *client;

	if (!boosted->inserting)
		return true;
	if (!CONFIG_PERIGEE_KERNEL_READS)
		return false;
	client = bpf_rdonly_cast((void *)boosted->client, bpf_core_type_id_kernel(struct tcp_sock));
	/* A socket that is gone is in no call. */
	if ((__u64)client->inet_conn.icsk_inet.sk.__sk_common.skc_cookie.counter ==
		    boosted->client_cookie &&
	    psock_holders(client) > PSOCK_IDLE)
		return false;
	boosted->inserting = 0;
	return true;
}

#endif
