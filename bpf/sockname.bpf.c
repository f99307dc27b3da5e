// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * cgroup/getpeername4|6, recvmsg4|6, getsockname4|6: what the application sees. A
 * client sees the Service that it asked for instead of a backend; one that was
 * steered sees the destination it asked for and its workload's address instead
 * of loopback; a server sees the client instead of the proxy (the kernel runs
 * the hook for accept()'s address, too). Cosmetic: a miss shows the truth of
 * the socket, never changes a verdict. These hooks can't refuse.
 */
#include "lib/address.h"
#include "lib/announce.h"
#include "lib/service.h"
#include "lib/steer.h"
#include "lib/workload.h"

static __always_inline bool peer_of(struct bpf_sock *sk, struct address *address, __u16 *port)
{
	struct service_peer *asked = bpf_sk_storage_get(&service_peer, sk, 0, 0);
	struct announcement *announcement;
	struct steering *steering;

	if (asked) {
		__builtin_memcpy(address->byte, asked->address, 16);
		*port = asked->port;
		return true;
	}
	steering = bpf_sk_storage_get(&client_steering, sk, 0, 0);
	if (steering) {
		__builtin_memcpy(address->byte, steering->address, 16);
		*port = steering->port;
		return true;
	}
	announcement = bpf_sk_storage_get(&announced, sk, 0, 0);
	if (!announcement)
		return false;
	__builtin_memcpy(address->byte, announcement->client_address, 16);
	*port = announcement->client_port;
	return true;
}

static __always_inline struct workload *steered_workload(struct bpf_sock *sk)
{
	struct steering *steering = bpf_sk_storage_get(&client_steering, sk, 0, 0);

	return steering ? workload_of_netns(steering->netns) : NULL;
}

SEC("cgroup/getpeername4")
int getpeername4(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct address address;
	__u16 port;

	if (sk && peer_of(sk, &address, &port) && address_is4(&address)) {
		ctx->user_ip4 = address.word[3];
		ctx->user_port = bpf_htons(port);
	}
	return HOOK_ALLOW;
}

SEC("cgroup/getpeername6")
int getpeername6(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct address address;
	__u16 port;

	if (sk && peer_of(sk, &address, &port)) {
		ctx->user_ip6[0] = address.word[0];
		ctx->user_ip6[1] = address.word[1];
		ctx->user_ip6[2] = address.word[2];
		ctx->user_ip6[3] = address.word[3];
		ctx->user_port = bpf_htons(port);
	}
	return HOOK_ALLOW;
}

/* The sender of a datagram: an answer from a backend comes from the Service that was asked. */
SEC("cgroup/recvmsg4")
int recvmsg4(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct service_peer *asked;
	struct address sender;

	if (!sk)
		return HOOK_ALLOW;
	sender = address_from4(ctx->user_ip4);
	asked = service_of_answer(sk, &sender, bpf_ntohs(ctx->user_port));
	if (!asked)
		return HOOK_ALLOW;
	__builtin_memcpy(sender.byte, asked->address, 16);
	ctx->user_ip4 = sender.word[3];
	ctx->user_port = bpf_htons(asked->port);
	return HOOK_ALLOW;
}

SEC("cgroup/recvmsg6")
int recvmsg6(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct service_peer *asked;
	struct address sender;

	if (!sk)
		return HOOK_ALLOW;
	sender = address_from6(ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2],
			       ctx->user_ip6[3]);
	asked = service_of_answer(sk, &sender, bpf_ntohs(ctx->user_port));
	if (!asked)
		return HOOK_ALLOW;
	__builtin_memcpy(sender.byte, asked->address, 16);
	ctx->user_ip6[0] = sender.word[0];
	ctx->user_ip6[1] = sender.word[1];
	ctx->user_ip6[2] = sender.word[2];
	ctx->user_ip6[3] = sender.word[3];
	ctx->user_port = bpf_htons(asked->port);
	return HOOK_ALLOW;
}

SEC("cgroup/getsockname4")
int getsockname4(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct workload *workload;
	struct address own;

	if (!sk || ctx->user_ip4 != bpf_htonl(0x7f000001))
		return HOOK_ALLOW;
	workload = steered_workload(sk);
	if (!workload)
		return HOOK_ALLOW;
	__builtin_memcpy(own.byte, workload->address4, 16);
	if (!address_is_zero(&own))
		ctx->user_ip4 = own.word[3];
	return HOOK_ALLOW;
}

SEC("cgroup/getsockname6")
int getsockname6(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct workload *workload;
	struct address shown, own;

	if (!sk)
		return HOOK_ALLOW;
	shown = address_from6(ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2],
			      ctx->user_ip6[3]);
	if (!address_is_loopback(&shown) || address_is_zero(&shown))
		return HOOK_ALLOW;
	workload = steered_workload(sk);
	if (!workload)
		return HOOK_ALLOW;
	__builtin_memcpy(own.byte, address_is4(&shown) ? workload->address4 : workload->address6,
			 16);
	if (address_is_zero(&own))
		return HOOK_ALLOW;
	ctx->user_ip6[0] = own.word[0];
	ctx->user_ip6[1] = own.word[1];
	ctx->user_ip6[2] = own.word[2];
	ctx->user_ip6[3] = own.word[3];
	return HOOK_ALLOW;
}

char _license[] SEC("license") = "Dual BSD/GPL";
