// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_ABI_POLICY_H
#define PERIGEE_ABI_POLICY_H

/* IPv4 addresses stand as ::ffff:a.b.c.d wherever 16 bytes hold an address. */

enum direction {
	DIRECTION_EGRESS = 1,
	DIRECTION_INGRESS = 2,
};

enum policy_action {
	ACTION_ALLOW = 1,
	ACTION_DENY = 2,
	ACTION_PROXY = 3, /* layer 7 rules decide: steer to the proxy */
	ACTION_INLINE = 4, /* layer 7 rules decide: in the kernel, at the receiver */
	ACTION_VISIBLE = 5, /* allowed; the kernel reads requests for their records alone */
};

enum policy_audit {
	AUDIT_NONE = 0,
	AUDIT_DENY = 1, /* a policy in Audit mode would deny */
	AUDIT_REQUESTS = 2, /* ACTION_PROXY, ACTION_VISIBLE only to report on requests */
};

/* In the place of a peer that policy does not tell from most others. */
#define IDENTITY_REST 0

/*
 * Longest-prefix key. 80 bits are always significant; the port's leading bits
 * carry a range (a range of ports is a few prefixes).
 */
struct policy_key {
	__u32 prefix_length; /* bits after this field: 80 to 96 */
	__u32 workload; /* the governed workload */
	__u32 identity; /* its peer, or IDENTITY_REST */
	__u8 direction; /* enum direction */
	__u8 protocol; /* IPPROTO_TCP, IPPROTO_UDP */
	__be16 port; /* destination port */
};

struct policy_verdict {
	__u8 action; /* enum policy_action */
	__u8 audit; /* 1: a policy in Audit mode would deny */
	__u16 reason; /* enum reason, for ACTION_DENY */
	__u32 rule; /* numeric name of the deciding rule, 0: none */
	__u32 table; /* for ACTION_INLINE, ACTION_VISIBLE: offset of the automaton's table in the
			pool */
	__u32 padding;
};

/* Longest-prefix key of an address. */
struct ipcache_key {
	__u32 prefix_length; /* 0 to 128 */
	__u8 address[16];
};

/* Beside the flags of its workload (enum workload_flag). */
enum address_flag {
	ADDRESS_TAKEN = 256, /* somebody is known to have it: it is no block of addresses */
};

struct ipcache_entry {
	__u32 identity;
	__u32 workload; /* 0: not a workload of this node */
	__u32 flags; /* enum workload_flag of that workload */
};

enum verdict {
	VERDICT_ALLOWED = 1,
	VERDICT_DENIED = 2,
	VERDICT_AUDITED = 3, /* allowed; a policy in Audit mode would deny */
	VERDICT_ERROR = 4, /* allowed by policy, failed for another reason */
};

/* Key of the per-CPU verdict counters. */
struct verdict_count_key {
	__u32 rule;
	__u8 direction;
	__u8 verdict;
	__u16 padding;
};

_Static_assert(sizeof(struct policy_key) == 16, "policy_key");
_Static_assert(sizeof(struct policy_verdict) == 16, "policy_verdict");
_Static_assert(sizeof(struct ipcache_key) == 20, "ipcache_key");
_Static_assert(sizeof(struct ipcache_entry) == 12, "ipcache_entry");
_Static_assert(sizeof(struct verdict_count_key) == 8, "verdict_count_key");

#endif
