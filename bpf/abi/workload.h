// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_ABI_WORKLOAD_H
#define PERIGEE_ABI_WORKLOAD_H

enum workload_kind {
	WORKLOAD_NETNS = 1, /* key: SO_NETNS_COOKIE */
	WORKLOAD_CGROUP = 2, /* key: cgroup2 id */
};

enum workload_flag {
	WORKLOAD_EGRESS_SELECTED = 1, /* some policy governs its egress */
	WORKLOAD_INGRESS_SELECTED = 2, /* some policy governs its ingress */
	WORKLOAD_BOOST = 4, /* its messages within this node may pass TCP by */
	WORKLOAD_VISIBLE = 8, /* asks that requests to it are read, also where no policy does */
	WORKLOAD_SERVICES = 16, /* cluster addresses of Services are resolved for it */
};

struct workload_key {
	__u64 id;
	__u32 kind; /* enum workload_kind */
	__u32 padding;
};

struct workload {
	__u32 id; /* numeric name, node-local */
	__u32 identity;
	__u32 flags; /* enum workload_flag */
	__u32 kind; /* its own key: enum workload_kind, … */
	__u64 kernel_id; /* … and the cookie or id */
	__u8 address4[16]; /* shown by getsockname of a steered socket; zero: none */
	__u8 address6[16];
};

/*
 * What a numeric name stands for, kept across restarts of the agent so that no
 * number changes its meaning: 128 bits of SHA-256 of the canonical key. Key 0
 * holds the next number to be given out, little endian.
 */
struct name {
	__u8 digest[16];
};

/* The one entry of the map `settings`. */
struct datapath_settings {
	__u32 cgroup_workloads; /* how many are enrolled: 0 spares the walk */
	__u32 padding;
};

/* The one entry of the map `pending`: what becomes of traffic of pods that the agent has not met.
 */
struct pending_settings {
	__u64 pods_cgroup; /* id of the cgroup2 folder that all pods are in; 0: nobody is judged */
	__u64 node_netns; /* cookie: who is in there is the node's */
	__u32 refuses;
	__u32 padding;
};

_Static_assert(sizeof(struct name) == 16, "name");
_Static_assert(sizeof(struct workload_key) == 16, "workload_key");
_Static_assert(sizeof(struct workload) == 56, "workload");

#endif
