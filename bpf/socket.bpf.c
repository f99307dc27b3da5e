// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * cgroup/sock_create: a governed workload makes a socket.
 *
 * Stance: Multipath TCP is refused, because its later subflows pass no hook;
 * runtimes that prefer it (Go) fall back to TCP on any error. Everything else
 * is allowed here and judged where it sends.
 */
#include "lib/flow.h"
#include "lib/workload.h"

#define IPPROTO_MPTCP_NUMBER 262

SEC("cgroup/sock_create")
int sock_create(struct bpf_sock *ctx)
{
	if (ctx->protocol != IPPROTO_MPTCP_NUMBER)
		return HOOK_ALLOW;
	if (!workload_of_netns(bpf_get_netns_cookie(ctx)) && !workload_of_task())
		return HOOK_ALLOW;
	drop_count(REASON_MPTCP_REFUSED);
	return HOOK_DENY;
}

char _license[] SEC("license") = "Dual BSD/GPL";
