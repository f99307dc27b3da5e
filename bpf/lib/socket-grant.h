// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_SOCKET_GRANT_H
#define PERIGEE_LIB_SOCKET_GRANT_H

#include "lib/kernel.h"
#include "abi/grant.h"

/*
 * Perigee itself may make a raw socket in a governed namespace: it says so here,
 * under the id of its own process in its own PID namespace, for one socket and a
 * second at most. Who asks can't be told by the socket (it has no mark yet) nor
 * by its namespaces (the process has entered the workload's); but to write this
 * map takes CAP_BPF of the host and its pin, which is root's.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct socket_grant_key);
	__type(value, __u64); /* ns, CLOCK_MONOTONIC: the grant's end */
	MAP_PINNED;
} socket_grants SEC(".maps");

/* True for who was granted a socket; the grant is used up. Process context only. */
static __always_inline bool socket_grant_take(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct pid *pid = BPF_CORE_READ(task, group_leader, thread_pid);
	__u32 level = BPF_CORE_READ(pid, level);
	struct upid innermost = {};
	struct pid_namespace *ns;
	struct socket_grant_key key = {};
	__u64 *end;
	bool valid;

	/* It has a number in every namespace down to its own, which is the last. */
	bpf_core_read(&innermost, sizeof(innermost), &pid->numbers[level]);
	ns = innermost.ns;
	key.process = innermost.nr;
	key.pid_namespace = BPF_CORE_READ(ns, ns.inum);
	end = bpf_map_lookup_elem(&socket_grants, &key);
	if (!end)
		return false;
	valid = bpf_ktime_get_ns() < *end;
	/* Of two threads at once, one finds it gone. */
	return !bpf_map_delete_elem(&socket_grants, &key) && valid;
}

#endif
