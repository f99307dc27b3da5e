// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * cgroup/sock_create, cgroup/setsockopt: a governed workload makes a socket, or
 * asks for one that writes its own headers.
 *
 * Stance: what the other hooks can't judge is refused here, once, so that no
 * hook has to look at every packet. Transports: Multipath TCP, because its later
 * subflows pass no hook (runtimes that prefer it, as Go does, fall back to TCP
 * on any error), SCTP, DCCP, UDP-Lite and L2TP, because no policy speaks of them.
 * Raw sockets: of everything but ICMP and IGMP, because TCP and UDP can be built
 * by hand in them, behind an IPv6 extension header, too. Options: whatever lets
 * a socket send under an address that isn't its namespace's. Everything else is
 * allowed here and judged where it sends.
 *
 * A 32-bit system call of a 64-bit kernel passes no setsockopt hook: who has
 * CAP_NET_RAW may still ask for IP_HDRINCL that way. It has AF_PACKET, too,
 * which no hook sees (SECURITY.md).
 */
#include "lib/pending.h"
#include "lib/socket-grant.h"
#include "lib/workload.h"

#define SOCK_RAW_TYPE 3

/* Options by their level, from linux/in.h and linux/in6.h. */
#define OPTION_IP_HDRINCL	3
#define OPTION_IP_FREEBIND	15
#define OPTION_IP_TRANSPARENT	19
#define OPTION_IPV6_HDRINCL	36
#define OPTION_IPV6_TRANSPARENT 75
#define OPTION_IPV6_FREEBIND	78

static __always_inline bool transport_is_unjudged(__u32 protocol)
{
	return protocol == IPPROTO_MPTCP || protocol == IPPROTO_SCTP || protocol == IPPROTO_DCCP ||
	       protocol == IPPROTO_UDPLITE || protocol == IPPROTO_L2TP;
}

/* What stands in no other transport's place: ping, traceroute, multicast membership. */
static __always_inline bool protocol_may_be_raw(__u32 protocol)
{
	return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6 || protocol == IPPROTO_IGMP;
}

/* A socket that is made before its pod is known would outlive that moment. */
static __always_inline bool is_governed(__u64 netns)
{
	return workload_of_netns(netns) || workload_of_task() || pending_refuses(netns, false);
}

SEC("cgroup/sock_create")
int sock_create(struct bpf_sock *ctx)
{
	bool raw = ctx->type == SOCK_RAW_TYPE && !protocol_may_be_raw(ctx->protocol);

	if (!raw && !transport_is_unjudged(ctx->protocol))
		return HOOK_ALLOW;
	if (!is_governed(bpf_get_netns_cookie(ctx)))
		return HOOK_ALLOW;
	if (raw && socket_grant_take())
		return HOOK_ALLOW;
	drop_count(REASON_PROTOCOL_REFUSED);
	return HOOK_DENY;
}

/*
 * IPv4 sends under an address of its own alone, IP_FREEBIND or not; IPv6 under
 * any that a socket is bound to.
 */
static __always_inline bool option_chooses_source(struct bpf_sockopt *ctx, __u32 family)
{
	switch (ctx->level) {
	case IPPROTO_IP:
		return ctx->optname == OPTION_IP_HDRINCL || ctx->optname == OPTION_IP_TRANSPARENT ||
		       (ctx->optname == OPTION_IP_FREEBIND && family == AF_INET6);
	case IPPROTO_IPV6:
		return ctx->optname == OPTION_IPV6_HDRINCL ||
		       ctx->optname == OPTION_IPV6_TRANSPARENT ||
		       ctx->optname == OPTION_IPV6_FREEBIND;
	case IPPROTO_RAW:
		return ctx->optname == OPTION_IPV6_HDRINCL;
	}
	return false;
}

SEC("cgroup/setsockopt")
int setsockopt(struct bpf_sockopt *ctx)
{
	struct bpf_sock *sk = ctx->sk;

	if (sk && option_chooses_source(ctx, sk->family) &&
	    is_governed(bpf_get_netns_cookie(ctx)) && !socket_is_own(sk)) {
		drop_count(REASON_SOURCE_FORGED);
		return HOOK_DENY;
	}
	ctx->optlen = 0; /* the kernel takes the caller's bytes instead of a copy of them */
	return HOOK_ALLOW;
}

char _license[] SEC("license") = "Dual BSD/GPL";
