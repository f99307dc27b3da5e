// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_END_H
#define PERIGEE_LIB_END_H

#include "lib/address.h"

/* States in which bytes may still pass. */
#define LIVING_STATES                                                                        \
	(1 << TCP_ESTABLISHED | 1 << TCP_SYN_SENT | 1 << TCP_SYN_RECV | 1 << TCP_FIN_WAIT1 | \
	 1 << TCP_FIN_WAIT2 | 1 << TCP_CLOSE_WAIT)

/* One end of a connection, as an iterator sees its socket. */
struct end {
	struct address local, remote;
	__u64 netns;
	struct cgroup *cgroup; /* that made it */
	__u16 local_port, remote_port; /* host byte order */
	__u8 family;
	__u8 protocol;
	bool accepted; /* not opened from here */
};

/*
 * A TCP socket keeps the device that its SYN arrived on where a datagram socket keeps
 * its multicast device, which no option sets on TCP: 0 means that it was opened from here.
 */
static __always_inline bool end_was_accepted(const struct inet_sock *inet, __u8 family)
{
	return inet->mc_index || (family == 6 && BPF_CORE_READ(inet, pinet6, mcast_oif));
}

static __always_inline void end_read(struct end *end, const struct sock_common *common,
				     const struct inet_sock *inet)
{
	if (common->skc_family == AF_INET) {
		end->family = 4;
		end->local = address_from4(common->skc_rcv_saddr);
		end->remote = address_from4(common->skc_daddr);
	} else {
		end->family = 6;
		__builtin_memcpy(end->local.byte, &common->skc_v6_rcv_saddr, 16);
		__builtin_memcpy(end->remote.byte, &common->skc_v6_daddr, 16);
	}
	end->local_port = common->skc_num;
	end->remote_port = bpf_ntohs(common->skc_dport);
	end->netns = BPF_CORE_READ(common, skc_net.net, net_cookie);
	end->cgroup = inet->sk.sk_cgrp_data.cgroup;
	end->accepted = end_was_accepted(inet, end->family);
}

#endif
