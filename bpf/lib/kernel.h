// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_KERNEL_H
#define PERIGEE_LIB_KERNEL_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_core_read.h>

#include "abi/reason.h"
#include "abi/policy.h"
#include "abi/workload.h"
#include "abi/connection.h"
#include "abi/flow.h"
#include "abi/sweep.h"
#include "abi/service.h"

/* Names that BTF doesn't carry, because the kernel has them as macros. */
#define AF_INET	       2
#define AF_INET6       10
#define IPPROTO_ICMPV6 58
#define ECONNREFUSED   111

/* Return values of the cgroup hooks. */
#define HOOK_ALLOW 1
#define HOOK_DENY  0

/*
 * Maps are pinned by name, so that every object of the datapath shares them
 * and they outlive the process that loaded it.
 */
#define MAP_PINNED __uint(pinning, LIBBPF_PIN_BY_NAME)

/*
 * Reads a 32-bit field of a hook's context, or of a socket, in one instruction
 * with a constant offset. Without it clang merges the loads of two branches
 * through a computed address, which the verifier refuses.
 */
#define READ32(object, field)                                                          \
	({                                                                             \
		__u32 value_;                                                          \
		asm volatile("%0 = *(u32 *)(%1 + %2)"                                  \
			     : "=r"(value_)                                            \
			     : "r"(object),                                            \
			       "i"(__builtin_offsetof(__typeof__(*(object)), field))); \
		value_;                                                                \
	})

/* The callback of bpf_loop gets the number of its turn. */
#define __unused __attribute__((unused))

/* A function of a header that stays a function: the verifier walks it by itself, and not every
 * object calls it. */
#define SUBPROGRAM static __noinline __unused

#define NS_PER_SECOND 1000000000ULL

/* Counts one in an array of counters, one set of them per processor. */
static __always_inline void counter_add(void *counters, __u32 index)
{
	__u64 *count = bpf_map_lookup_elem(counters, &index);

	if (count)
		__sync_fetch_and_add(count, 1); /* a softirq may come in between */
}

#endif
