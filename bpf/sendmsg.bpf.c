// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * cgroup/sendmsg4, sendmsg6: a datagram with an address of its own, on an
 * unconnected or a connected socket.
 *
 * Stance as in connect.bpf.c. A refused sendmsg() fails with EPERM. recvmsg
 * hooks can't refuse: what arrives is judged in packet.bpf.c.
 */
#include "lib/attempt.h"
#include "lib/dns.h" /* its maps, which packet.bpf.c fills where it is loaded */
#include "lib/pending.h"
#include "lib/service.h"
#include "lib/udp.h"

/* Puts a backend into the place of a Service. False: refused. */
static __always_inline bool resolve(struct attempt *attempt, struct bpf_sock *sk, __u64 cookie,
				    __u64 netns)
{
	struct service *service = service_find(attempt);

	if (!service || service_datagram(sk, attempt, service, netns))
		return true;
	attempt->peer = ipcache_find(&attempt->destination);
	attempt_refused(attempt, sk, cookie);
	if (attempt->reason == REASON_SERVICE_NO_BACKEND)
		bpf_set_retval(-ECONNREFUSED);
	return false;
}

static __always_inline int sendmsg(struct bpf_sock_addr *ctx, struct bpf_sock *sk,
				   struct attempt *attempt)
{
	__u64 netns = bpf_get_netns_cookie(ctx), cookie;
	struct workload *workload = workload_of_netns(netns);

	if (workload && address_is_loopback(&attempt->destination))
		return HOOK_ALLOW;
	if (!workload)
		workload = workload_of_task();
	if (socket_is_own(sk))
		return HOOK_ALLOW;
	cookie = bpf_get_socket_cookie(ctx);
	attempt->protocol = IPPROTO_UDP;
	if (!workload) {
		if (address_is_loopback(&attempt->destination) || !pending_refuses(netns, true))
			return HOOK_ALLOW;
		attempt->reason = REASON_WORKLOAD_PENDING;
		attempt_refused(attempt, sk, cookie);
		return HOOK_DENY;
	}
	attempt_from(attempt, workload);
	if (!resolve(attempt, sk, cookie, netns))
		return HOOK_DENY;
	attempt_decide(attempt);
	if (attempt->action == ACTION_PROXY) {
		attempt->action = ACTION_DENY;
		attempt->reason = REASON_POLICY_STATE_MISSING;
	}
	if (attempt->action == ACTION_DENY) {
		attempt_count(attempt);
		attempt_refused(attempt, sk, cookie);
		return HOOK_DENY;
	}
	if (!udp_peer_remember(sk, &attempt->destination, attempt->port))
		return HOOK_ALLOW;
	attempt_count(attempt);
	attempt_allowed(attempt, sk, cookie);
	return HOOK_ALLOW;
}

SEC("cgroup/sendmsg4")
int sendmsg4(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct attempt attempt = { .family = 4 };

	if (!sk || ctx->protocol != IPPROTO_UDP)
		return HOOK_ALLOW;
	attempt.destination = address_from4(ctx->user_ip4);
	attempt.port = bpf_ntohs(ctx->user_port);
	if (!sendmsg(ctx, sk, &attempt))
		return HOOK_DENY;
	if (attempt.service) {
		ctx->user_ip4 = attempt.destination.word[3];
		ctx->user_port = bpf_htons(attempt.port);
	}
	return HOOK_ALLOW;
}

SEC("cgroup/sendmsg6")
int sendmsg6(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct attempt attempt = {};

	if (!sk || ctx->protocol != IPPROTO_UDP)
		return HOOK_ALLOW;
	attempt.destination = address_from6(ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2],
					    ctx->user_ip6[3]);
	attempt.port = bpf_ntohs(ctx->user_port);
	attempt.family = address_is4(&attempt.destination) ? 4 : 6;
	if (!sendmsg(ctx, sk, &attempt))
		return HOOK_DENY;
	if (attempt.service) {
		ctx->user_ip6[0] = attempt.destination.word[0];
		ctx->user_ip6[1] = attempt.destination.word[1];
		ctx->user_ip6[2] = attempt.destination.word[2];
		ctx->user_ip6[3] = attempt.destination.word[3];
		ctx->user_port = bpf_htons(attempt.port);
	}
	return HOOK_ALLOW;
}

char _license[] SEC("license") = "Dual BSD/GPL";
