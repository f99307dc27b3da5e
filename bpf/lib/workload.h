// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_WORKLOAD_H
#define PERIGEE_LIB_WORKLOAD_H

#include "lib/kernel.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct workload_key);
	__type(value, struct workload);
	MAP_PINNED;
} workloads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct datapath_settings);
	MAP_PINNED;
} settings SEC(".maps");

/* Numeric names; for user space alone. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 262144);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct name);
	MAP_PINNED;
} names SEC(".maps");

/*
 * Sockets of the proxy, marked from user space by their descriptor: no pod can
 * do that. What a marked listener accepts is born marked.
 */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, __u32);
	MAP_PINNED;
} own_sockets SEC(".maps");

/*
 * Workloads that sent what was to be judged from pages that they can still change, and when: ns.
 * The proxy makes copies, so it judges what they send meanwhile.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
	MAP_PINNED;
} sharers SEC(".maps");

#define SHARER_NS (3600 * NS_PER_SECOND)

static __always_inline void sharer_remember(__u32 workload)
{
	__u64 now = bpf_ktime_get_ns();

	if (workload)
		bpf_map_update_elem(&sharers, &workload, &now, BPF_ANY);
}

static __always_inline bool is_sharer(__u32 workload)
{
	__u64 *since = bpf_map_lookup_elem(&sharers, &workload);

	return since && bpf_ktime_get_ns() - *since < SHARER_NS;
}

#define CGROUP_DEPTH 16

static __always_inline struct workload *workload_of_netns(__u64 cookie)
{
	struct workload_key key = { .id = cookie, .kind = WORKLOAD_NETNS };

	return bpf_map_lookup_elem(&workloads, &key);
}

static __always_inline bool cgroup_workloads(void)
{
	__u32 zero = 0;
	struct datapath_settings *set = bpf_map_lookup_elem(&settings, &zero);

	return set && set->cgroup_workloads;
}

/* The innermost enrolled cgroup of the current task. Process context only. */
static __always_inline struct workload *workload_of_task(void)
{
	struct workload_key key = { .kind = WORKLOAD_CGROUP };
	struct workload *found = NULL, *workload;

	if (!cgroup_workloads())
		return NULL;
	for (int level = 1; level < CGROUP_DEPTH; level++) {
		key.id = bpf_get_current_ancestor_cgroup_id(level);
		if (!key.id)
			break;
		workload = bpf_map_lookup_elem(&workloads, &key);
		if (workload)
			found = workload;
	}
	return found;
}

static __always_inline bool socket_is_own(struct bpf_sock *sk)
{
	return sk && bpf_sk_storage_get(&own_sockets, sk, 0, 0);
}

#endif
