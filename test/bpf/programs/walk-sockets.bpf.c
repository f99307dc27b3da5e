// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Iterators: the ports that are listened on in a namespace, and the sockets that have a mark. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u32);
} marks SEC(".maps");

SEC("iter/tcp")
int listening_ports(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;
	__u32 port;

	if (!common || common->skc_state != TCP_LISTEN)
		return 0;
	port = common->skc_num;
	bpf_seq_write(ctx->meta->seq, &port, sizeof(port));
	return 0;
}

SEC("iter/bpf_sk_storage_map")
int marked_cookies(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct sock *sk = ctx->sk;
	__u64 cookie;

	if (!sk)
		return 0;
	cookie = bpf_get_socket_cookie(sk);
	bpf_seq_write(ctx->meta->seq, &cookie, sizeof(cookie));
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
