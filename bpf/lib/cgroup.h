// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_CGROUP_H
#define PERIGEE_LIB_CGROUP_H

#include "lib/workload.h"

/* The innermost enrolled cgroup that holds a cgroup (Linux 6.1 keeps the way up by pointers). */
static __always_inline struct workload *workload_of_cgroup(struct cgroup *cgroup)
{
	struct workload_key key = { .kind = WORKLOAD_CGROUP };
	struct workload *found = NULL, *workload;
	struct cgroup **ancestors, *ancestor;
	int depth;

	if (!cgroup || !cgroup_workloads())
		return NULL;
	ancestors = (void *)cgroup + bpf_core_field_offset(cgroup->ancestors);
	depth = BPF_CORE_READ(cgroup, level);
	for (int level = 1; level < CGROUP_DEPTH && level <= depth; level++) {
		if (bpf_probe_read_kernel(&ancestor, sizeof(ancestor), &ancestors[level]))
			break;
		key.id = BPF_CORE_READ(ancestor, kn, id);
		workload = bpf_map_lookup_elem(&workloads, &key);
		if (workload)
			found = workload;
	}
	return found;
}

#endif
