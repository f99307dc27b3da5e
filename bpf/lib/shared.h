// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_SHARED_H
#define PERIGEE_LIB_SHARED_H

#include "lib/features.h"

/*
 * Whether somebody could still write to the bytes of a packet. A sender of this
 * node may hand its own pages to TCP (splice, vmsplice, sendfile), and the
 * receiver gets those very pages: what is read of them on the way need not be
 * what the receiver reads. What came off a wire or was copied by send() lies in
 * memory of the kernel's.
 */

#define FRAGMENTS_MAY_CHANGE 2 /* SKBFL_SHARED_FRAG: TCP says so itself */
#define FRAGMENT_BYTES	     16 /* of skb_frag_t, whatever its fields are called */
#define FRAGMENTS	     45 /* MAX_SKB_FRAGS at most */
#define PACKETS_IN_ONE	     1024 /* received packets that were merged into one */

struct shared_run {
	struct sk_buff *packet; /* of a list */
	__u64 fragments; /* address of the array */
	__u32 count;
	__u32 shared;
};

/*
 * A page that a program or a file has. Kernels before 7.1 lose the mark above when TCP merges
 * segments to send them again (CVE-2026-43503), so that it isn't asked alone.
 */
static long fragment_look(__u32 index, struct shared_run *run)
{
	__u64 address = 0, first;
	struct page *page;

	if (index >= run->count)
		return 1;
	run->shared = 1;
	if (bpf_probe_read_kernel(&address, sizeof(address),
				  (void *)(run->fragments + index * FRAGMENT_BYTES)) ||
	    (address & 1)) /* a device's memory */
		return 1;
	page = bpf_rdonly_cast((void *)address, bpf_core_type_id_kernel(struct page));
	if (page->_mapcount.counter >= 0)
		return 1;
	/* As a number: to the verifier it's the pointer that shares its place. */
	if (bpf_probe_read_kernel(&first, sizeof(first), &page->compound_head))
		return 1;
	if (first & 1)
		page = bpf_rdonly_cast((void *)(first - 1), bpf_core_type_id_kernel(struct page));
	if (page->mapping)
		return 1;
	run->shared = 0;
	return 0;
}

/* One packet without those behind it. */
static __always_inline struct sk_buff *packet_look(struct shared_run *run,
						   const struct sk_buff *packet)
{
	__u64 at = (__u64)packet->head + packet->end;
	struct skb_shared_info *info =
		bpf_rdonly_cast((void *)at, bpf_core_type_id_kernel(struct skb_shared_info));

	run->count = info->nr_frags;
	run->fragments = at + bpf_core_field_offset(info->frags);
	run->shared = 0;
	if (info->flags & FRAGMENTS_MAY_CHANGE)
		run->shared = 1;
	else if (run->count == 1)
		fragment_look(0, run); /* most packets: without the price of a loop */
	else if (run->count)
		bpf_loop(FRAGMENTS, fragment_look, run, 0);
	return info->frag_list;
}

static long packet_look_behind(__u32 index __unused, struct shared_run *run)
{
	struct sk_buff *packet;

	if (run->shared || !run->packet)
		return 1;
	packet = bpf_rdonly_cast(run->packet, bpf_core_type_id_kernel(struct sk_buff));
	run->packet = packet->next;
	if (packet_look(run, packet)) /* no list has lists */
		run->shared = 1;
	return 0;
}

SUBPROGRAM int packet_shared(struct __sk_buff *skb)
{
	struct shared_run run = {};

	if (!CONFIG_PERIGEE_PACKET_STATE)
		return 1; /* the loader doesn't attach this hook there */
	run.packet = packet_look(&run, bpf_cast_to_kern_ctx(skb));
	if (run.packet) {
		bpf_loop(PACKETS_IN_ONE, packet_look_behind, &run, 0);
		if (run.packet)
			return 1;
	}
	return run.shared;
}

#endif
