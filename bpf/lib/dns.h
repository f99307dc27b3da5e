// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_DNS_H
#define PERIGEE_LIB_DNS_H

#include "lib/workload.h"
#include "abi/dns.h"

/* The setting `dnsNames`. */
extern bool CONFIG_PERIGEE_DNS_NAMES __kconfig __weak;

#define DNS_PORT       53
#define DNS_RING_BYTES (256 * 1024)
/* Of one workload: what it asks again within a second is known already. */
#define DNS_ANSWERS_PER_SECOND 200

/* RFC 1035, 4.1.1. */
struct dns_header {
	__be16 id;
	__u8 flags; /* the first bit: a response */
	__u8 rcode; /* the last four bits */
	__be16 questions, answers, authorities, additionals;
};

#define DNS_RESPONSE   0x80
#define DNS_RCODE_MASK 0x0f

/* Read as often as flows are: nobody is woken for it. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, DNS_RING_BYTES);
	MAP_PINNED;
} dns_answers SEC(".maps");

/* By enum dns_outcome. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DNS_OUTCOME_COUNT);
	__type(key, __u32);
	__type(value, __u64);
	MAP_PINNED;
} dns_counts SEC(".maps");

struct dns_ration {
	__u64 second; /* since boot */
	__u64 taken;
};

/* By workload. One that is pushed out begins its second anew. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct dns_ration);
	MAP_PINNED;
} dns_rations SEC(".maps");

static __always_inline void dns_count(__u32 outcome)
{
	counter_add(&dns_counts, outcome);
}

/* Of several processors at once each may begin the second. */
static __always_inline bool dns_ration_take(__u32 workload)
{
	struct dns_ration *ration = bpf_map_lookup_elem(&dns_rations, &workload);
	struct dns_ration fresh = { .second = bpf_ktime_get_ns() / NS_PER_SECOND, .taken = 1 };

	if (!ration || ration->second != fresh.second) {
		bpf_map_update_elem(&dns_rations, &workload, &fresh, BPF_ANY);
		return true;
	}
	return __sync_fetch_and_add(&ration->taken, 1) < DNS_ANSWERS_PER_SECOND;
}

/* The innermost enrolled cgroup that holds the socket; 0: none does. */
static __always_inline __u32 workload_id_of_socket(struct bpf_sock *sk)
{
	struct workload_key key = { .kind = WORKLOAD_CGROUP };
	struct workload *workload;
	__u32 found = 0;

	if (!cgroup_workloads())
		return 0;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return 0;
	for (int level = 1; level < CGROUP_DEPTH; level++) {
		key.id = bpf_sk_ancestor_cgroup_id(sk, level);
		if (!key.id)
			break;
		workload = bpf_map_lookup_elem(&workloads, &key);
		if (workload)
			found = workload->id;
	}
	return found;
}

/*
 * Copies an answer whose sender the workload has asked; the agent takes the names of addresses
 * from it. Most answers of a cluster say that there is no such name: they are left out.
 */
static __always_inline void dns_answer_copy(struct __sk_buff *skb, __u32 offset, __u32 workload)
{
	struct dns_answer *answer;
	__u32 length = skb->len - offset;

	if (length > DNS_MESSAGE_BYTES)
		length = DNS_MESSAGE_BYTES;
	/* Both bounds in the register that is used: the verifier of 6.1 finds no other. */
	asm volatile("" : "+r"(length));
	if (length < sizeof(struct dns_header))
		return;
	answer = bpf_ringbuf_reserve(&dns_answers, sizeof(*answer), 0);
	if (!answer) {
		dns_count(DNS_LOST);
		return;
	}
	answer->time = bpf_ktime_get_ns();
	answer->workload = workload;
	answer->length = length;
	answer->padding = 0;
	if (bpf_skb_load_bytes(skb, offset, answer->message, length)) {
		bpf_ringbuf_discard(answer, BPF_RB_NO_WAKEUP);
		return;
	}
	bpf_ringbuf_submit(answer, BPF_RB_NO_WAKEUP);
	dns_count(DNS_TAKEN);
}

/*
 * A function of its own to the verifier, which comes to it by many ways. `workload`: 0 asks for
 * that of the socket's cgroup.
 */
__noinline int dns_answer_take(struct __sk_buff *skb, __u32 offset, __u32 workload)
{
	struct dns_header header;
	struct bpf_sock *sk = skb->sk;

	if (bpf_skb_load_bytes(skb, offset, &header, sizeof(header)))
		return 0;
	if (!(header.flags & DNS_RESPONSE) || (header.rcode & DNS_RCODE_MASK) || !header.answers)
		return 0;
	if (!workload && sk)
		workload = workload_id_of_socket(sk);
	if (!workload)
		return 0;
	if (dns_ration_take(workload))
		dns_answer_copy(skb, offset, workload);
	else
		dns_count(DNS_LIMITED);
	return 0;
}

#endif
