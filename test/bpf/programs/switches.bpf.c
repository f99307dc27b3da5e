// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <vmlinux.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

extern bool CONFIG_PERIGEE_TEST __kconfig __weak;

// The call that this type may not make is there for no verifier whose switch is off.
SEC("tc")
int switched(struct __sk_buff *skb)
{
	if (CONFIG_PERIGEE_TEST)
		bpf_override_return((struct pt_regs *)skb, 0);
	return 3;
}
