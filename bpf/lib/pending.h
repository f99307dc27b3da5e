// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_PENDING_H
#define PERIGEE_LIB_PENDING_H

#include "lib/flow.h"
#include "lib/workload.h"

/*
 * A pod that was just made is in the kernel before the agent has met it. Its
 * processes are below the cgroup that holds all pods, and its network namespace
 * is not the node's, not a workload's and not one that the agent has met and
 * leaves alone.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pending_settings);
	MAP_PINNED;
} pending SEC(".maps");

/* Cookies of the namespaces of pods that are not to be governed. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, __u32);
	MAP_PINNED;
} exempt SEC(".maps");

/* Connections and datagrams that were let through because the pod was not known yet. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
	MAP_PINNED;
} pending_passed SEC(".maps");

static __always_inline bool task_is_in(__u64 cgroup)
{
	for (int level = 1; level < CGROUP_DEPTH; level++) {
		__u64 id = bpf_get_current_ancestor_cgroup_id(level);

		if (id == cgroup)
			return true;
		if (!id)
			break;
	}
	return false;
}

/*
 * Whether the current task, in a namespace that is no workload's, belongs to a
 * pod that is to wait. Counts it if it needn't. Process context only.
 */
static __always_inline bool pending_refuses(__u64 netns, bool is_sending)
{
	__u32 zero = 0;
	struct pending_settings *set = bpf_map_lookup_elem(&pending, &zero);

	if (!set || !set->pods_cgroup || netns == set->node_netns ||
	    bpf_map_lookup_elem(&exempt, &netns) || !task_is_in(set->pods_cgroup))
		return false;
	if (set->refuses)
		return true;
	if (is_sending)
		counter_add(&pending_passed, 0);
	return false;
}

#endif
