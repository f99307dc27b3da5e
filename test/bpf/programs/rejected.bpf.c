// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Programs that the verifier must refuse, to see how it is told.
#include <vmlinux.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

SEC("cgroup/connect4")
int null_unchecked(struct bpf_sock_addr *ctx)
{
	__u32 key = ctx->user_port;
	__u64 *counter = bpf_map_lookup_elem(&counters, &key);

	*counter += 1;
	return 1;
}

SEC("cgroup/connect4")
int accepted(struct bpf_sock_addr *ctx __attribute__((unused)))
{
	return 1;
}

SEC("cgroup/connect4")
int verdict_out_of_range(struct bpf_sock_addr *ctx)
{
	return ctx->user_port;
}
