// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Refuses connections to one port.
#include <vmlinux.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile __u16 refused_port = 0; // host byte order
const volatile __u16 reserved[3] = {};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} verdicts SEC(".maps");

// Sockets that user space has marked pass.
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u64);
} marks SEC(".maps");

static __always_inline void verdict_count(__u32 allowed)
{
	__u32 *count = bpf_map_lookup_elem(&verdicts, &allowed);

	if (count)
		(*count)++;
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	__u32 allowed = bpf_ntohs(ctx->user_port) != refused_port || reserved[0];

	if (sk && bpf_sk_storage_get(&marks, sk, 0, 0))
		allowed = 1;
	verdict_count(allowed);
	return allowed;
}

SEC("cgroup/connect4")
int connect4_open(struct bpf_sock_addr *ctx __attribute__((unused)))
{
	return 1;
}
