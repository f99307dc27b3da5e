// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A link that loses one frame in twenty. */
#include <vmlinux.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("xdp")
int lose(struct xdp_md *frame __attribute__((unused)))
{
	return bpf_get_prandom_u32() % 20 ? XDP_PASS : XDP_DROP;
}
