// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_POLICY_H
#define PERIGEE_LIB_POLICY_H

#include "lib/address.h"

/*
 * Address to identity; the longest prefix wins. The blocks of policies and the pods of a large
 * cluster have room together; what isn't used takes no memory.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 262144);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct ipcache_key);
	__type(value, struct ipcache_entry);
	MAP_PINNED;
} ipcache SEC(".maps");

/* What policy says of (workload, direction, peer, protocol, port). */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1048576);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct policy_key);
	__type(value, struct policy_verdict);
	MAP_PINNED;
} policy SEC(".maps");

/* Its requests are read by the kernel. */
static __always_inline bool policy_reads(const struct policy_verdict *verdict)
{
	return verdict->action == ACTION_INLINE || verdict->action == ACTION_VISIBLE;
}

static __always_inline bool policy_enforces_requests(const struct policy_verdict *side)
{
	return side->action == ACTION_PROXY && side->audit != AUDIT_REQUESTS;
}

/* Without the proxy, that is. */
static __always_inline bool policy_allows_direct(const struct policy_verdict *side)
{
	return side->action == ACTION_ALLOW || side->action == ACTION_VISIBLE ||
	       (side->action == ACTION_PROXY && !policy_enforces_requests(side));
}

#define POLICY_KEY_BITS 96
#define ADDRESS_BITS	128

/* Identity 0 (unknown) when no prefix holds it: governed workloads refuse it. */
static __always_inline struct ipcache_entry ipcache_find(const struct address *address)
{
	struct ipcache_key key = { .prefix_length = ADDRESS_BITS };
	struct ipcache_entry none = {}, *entry;

	address_copy(key.address, address);
	entry = bpf_map_lookup_elem(&ipcache, &key);
	return entry ? *entry : none;
}

/* One side's part of a question. */
struct policy_side {
	__u32 workload;
	__u32 flags; /* enum workload_flag of that workload */
	__u32 peer; /* identity */
	__u8 direction;
	__u8 protocol;
	__u16 port; /* host byte order */
};

/*
 * Stance: not selected = allow, but requests may be read; selected and no answer = deny. A peer
 * that has no entry gets the answer of the rest, which is as strict as any peer's of that workload:
 * an entry that is missing allows nothing.
 */
static __always_inline struct policy_verdict policy_decide(const struct policy_side *side)
{
	struct policy_verdict allow = { .action = ACTION_ALLOW };
	struct policy_verdict missing = { .action = ACTION_DENY,
					  .reason = REASON_POLICY_STATE_MISSING };
	bool egress = side->direction == DIRECTION_EGRESS;
	__u32 selected = egress ? WORKLOAD_EGRESS_SELECTED : WORKLOAD_INGRESS_SELECTED;
	struct policy_key key = {
		.prefix_length = POLICY_KEY_BITS,
		.workload = side->workload,
		.identity = side->peer,
		.direction = side->direction,
		.protocol = side->protocol,
		.port = bpf_htons(side->port),
	};
	struct policy_verdict *found;

	if (!(side->flags & selected)) {
		if (egress || !(side->flags & WORKLOAD_VISIBLE))
			return allow;
		missing = allow;
	}
	if (!side->peer)
		return missing;
	found = bpf_map_lookup_elem(&policy, &key);
	if (!found) {
		key.identity = IDENTITY_REST;
		found = bpf_map_lookup_elem(&policy, &key);
	}
	return found ? *found : missing;
}

#endif
