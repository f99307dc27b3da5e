// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <vmlinux.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

// Returns the packet's length; tells the mark that it found through the context.
SEC("tc")
int packet_length(struct __sk_buff *skb)
{
	skb->mark = skb->mark + 1;
	return skb->len;
}
