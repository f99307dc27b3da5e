// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_FEATURES_H
#define PERIGEE_LIB_FEATURES_H

#include "lib/kernel.h"

/*
 * What the running kernel can do, tried by the loader (src/datapath/features.ts).
 * Constants to the verifier, which never looks at a branch that isn't taken, so
 * one object serves every kernel. The prefix is libbpf's.
 */

/* cgroup_skb programs may ask for the namespace's cookie (from 6.16 on). */
extern bool CONFIG_PERIGEE_PACKET_NETNS __kconfig __weak;

/* cgroup_skb programs may read the kernel's own packet (from 6.2 on). */
extern bool CONFIG_PERIGEE_PACKET_STATE __kconfig __weak;

/* Programs may follow pointers to the other end's socket, and a walk may close sockets (from 6.5
 * on). */
extern bool CONFIG_PERIGEE_KERNEL_READS __kconfig __weak;

/* Linux 6.2. */
extern void *bpf_cast_to_kern_ctx(void *context) __ksym __weak;
extern void *bpf_rdonly_cast(const void *object, __u32 btf_id) __ksym __weak;

/* The namespace of a packet's socket; 0, which no namespace has, if it couldn't be read. */
static __always_inline __u64 netns_of_packet(struct __sk_buff *skb, struct bpf_sock *sk)
{
	struct sock *address = NULL;

	if (CONFIG_PERIGEE_PACKET_NETNS)
		return bpf_get_netns_cookie(skb);
	/* The verifier allows no arithmetic on a socket. Copied as a number, it can be read by. */
	bpf_probe_read_kernel(&address, sizeof(address), &sk);
	return BPF_CORE_READ(address, __sk_common.skc_net.net, net_cookie);
}

#endif
