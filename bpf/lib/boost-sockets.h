// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_BOOST_SOCKETS_H
#define PERIGEE_LIB_BOOST_SOCKETS_H

#include "lib/boost.h"

/* The sockets that are in the map, and the state of their pair. */

/* By socket cookie, which no two sockets ever share. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, __u64);
	MAP_PINNED;
} boost_sockets SEC(".maps");

static __always_inline __u64 cookie_of(const struct tcp_sock *tcp)
{
	return tcp->inet_conn.icsk_inet.sk.__sk_common.skc_cookie.counter;
}

static __always_inline void boost_stop(struct boost_pair *pair, __u32 state)
{
	pair->since = bpf_ktime_get_ns();
	pair->state = state;
}

#endif
