// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * cgroup/sock_create: a governed workload makes a socket.
 *
 * Stance: transports that the other hooks can't judge are refused: Multipath TCP,
 * because its later subflows pass no hook (runtimes that prefer it, as Go does,
 * fall back to TCP on any error), SCTP, DCCP and UDP-Lite, because no policy
 * speaks of them. Everything else is allowed here and judged where it sends.
 */
#include "lib/flow.h"
#include "lib/workload.h"

SEC("cgroup/sock_create")
int sock_create(struct bpf_sock *ctx)
{
	switch (ctx->protocol) {
	case IPPROTO_MPTCP:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
	case IPPROTO_UDPLITE:
		break;
	default:
		return HOOK_ALLOW;
	}
	if (!workload_of_netns(bpf_get_netns_cookie(ctx)) && !workload_of_task())
		return HOOK_ALLOW;
	drop_count(REASON_PROTOCOL_REFUSED);
	return HOOK_DENY;
}

char _license[] SEC("license") = "Dual BSD/GPL";
