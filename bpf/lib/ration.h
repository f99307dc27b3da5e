// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_RATION_H
#define PERIGEE_LIB_RATION_H

#include "lib/kernel.h"

/*
 * What a flood at a listener may cost: its segments belong to no connection, so nothing but this
 * bounds them. By processor and use; softirq alone takes from it.
 */
enum ration {
	RATION_READS = 0, /* segments read before there is a socket of their own */
	RATION_REFUSALS = 1, /* of those, refusals that the agent is woken for */
	RATION_VISIBLE = 2, /* as RATION_READS, of what is read for records alone */
	RATION_COUNT = 3,
};

/* More than a listener that defers accepting takes on one processor. */
#define RATION_READS_PER_SECOND	   16000
#define RATION_REFUSALS_PER_SECOND 500
#define RATION_VISIBLE_PER_SECOND  1000

struct ration_bucket {
	__u64 filled; /* ns, when tokens were last added */
	__u64 tokens;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, RATION_COUNT);
	__type(key, __u32);
	__type(value, struct ration_bucket);
} rations SEC(".maps");

/* A bucket holds what comes in a second. False: it is empty. */
static __always_inline bool ration_take(enum ration use, __u64 per_second)
{
	__u32 key = use;
	struct ration_bucket *bucket = bpf_map_lookup_elem(&rations, &key);
	__u64 now = bpf_ktime_get_ns(), grown;

	if (!bucket)
		return false;
	grown = (now - bucket->filled) / (NS_PER_SECOND / per_second);
	if (grown) {
		bucket->tokens += grown;
		if (bucket->tokens > per_second)
			bucket->tokens = per_second;
		bucket->filled = now;
	}
	if (!bucket->tokens)
		return false;
	bucket->tokens--;
	return true;
}

#endif
