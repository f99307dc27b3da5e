// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_SEGMENT_H
#define PERIGEE_LIB_SEGMENT_H

#include "lib/features.h"
#include "lib/scratch.h"

/* A TCP segment as cgroup_skb sees it: where its payload lies, and whether its checksum holds. */

struct segment {
	__u32 sequence; /* of the first byte of payload */
	__u32 acknowledge;
	__u32 payload; /* offset in the packet */
	__u32 length; /* of the payload */
	__u32 tcp; /* offset of the TCP header */
	__u8 flags;
	__u8 family;
};

#define SEGMENT_FIN 0x01
#define SEGMENT_SYN 0x02
#define SEGMENT_RST 0x04
#define SEGMENT_ACK 0x10
#define SEGMENT_URG 0x20

static __always_inline bool sequence_before(__u32 a, __u32 b)
{
	return (__s32)(a - b) < 0;
}

/* Skips IPv6 extension headers (RFC 8200, 4). */
static __always_inline int segment_extensions(struct __sk_buff *skb, __u32 *offset, __u8 next)
{
	for (int i = 0; i < 6; i++) {
		__u8 header[2];

		if (next == IPPROTO_TCP)
			return 0;
		if (next != 0 && next != 43 && next != 60)
			return -1;
		if (bpf_skb_load_bytes(skb, *offset, header, sizeof(header)))
			return -1;
		*offset += (header[1] + 1) * 8;
		next = header[0];
	}
	return -1;
}

static __always_inline int segment_header(struct __sk_buff *skb, struct segment *segment,
					  const __u8 *tcp, __u32 offset)
{
	segment->tcp = offset;
	segment->sequence = bpf_ntohl(*(__be32 *)(tcp + 4));
	segment->acknowledge = bpf_ntohl(*(__be32 *)(tcp + 8));
	segment->flags = tcp[13];
	segment->payload = offset + (tcp[12] >> 4) * 4;
	if (segment->payload > skb->len)
		return -1;
	segment->length = skb->len - segment->payload;
	return 0;
}

/* Headers with options, or in fragments. */
SUBPROGRAM int segment_parse_slowly(struct __sk_buff *skb, struct segment *segment)
{
	__u8 ip[40], tcp[20];
	__u32 offset;

	if (bpf_skb_load_bytes(skb, 0, ip, 20))
		return -1;
	if (ip[0] >> 4 == 4) {
		segment->family = 4;
		offset = (ip[0] & 15) * 4;
	} else {
		if (bpf_skb_load_bytes(skb, 0, ip, 40))
			return -1;
		segment->family = 6;
		offset = 40;
		if (segment_extensions(skb, &offset, ip[6]))
			return -1;
	}
	if (bpf_skb_load_bytes(skb, offset, tcp, sizeof(tcp)))
		return -1;
	return segment_header(skb, segment, tcp, offset);
}

/* Header and version come from the packet: a socket of IPv6 may speak IPv4. */
static __always_inline int segment_parse(struct __sk_buff *skb, struct segment *segment)
{
	__u8 *ip = (__u8 *)(long)skb->data, *end = (__u8 *)(long)skb->data_end;

	if (ip + 40 <= end && ip[0] == 0x45) {
		segment->family = 4;
		return segment_header(skb, segment, ip + 20, 20);
	}
	if (ip + 60 <= end && ip[0] >> 4 == 6 && ip[6] == IPPROTO_TCP) {
		segment->family = 6;
		return segment_header(skb, segment, ip + 40, 40);
	}
	return segment_parse_slowly(skb, segment);
}

/* Sums one piece of the packet per turn; cgroup_skb has no helper for it. */
struct checksum_run {
	struct __sk_buff *skb;
	struct http_scratch *scratch;
	__u64 sum; /* of 32-bit words: 64 KiB can't overflow it */
	__u32 offset, end;
};

#define CHECKSUM_PIECE 256

#define CHECKSUM_UNNECESSARY 1
#define CHECKSUM_PARTIAL     3

static long checksum_piece(__u32 index __unused, struct checksum_run *run)
{
	__u64 *words = (__u64 *)run->scratch->window;
	__u32 left = run->end - run->offset, last;

	if (run->offset >= run->end)
		return 1;
	if (left >= CHECKSUM_PIECE)
		left = CHECKSUM_PIECE;
	else /* zeroes behind an odd end don't change the sum */
		__builtin_memset(words, 0, CHECKSUM_PIECE);
	last = left - 1;
	asm volatile("" : "+r"(last));
	if (last >= CHECKSUM_PIECE)
		return 1;
	if (bpf_skb_load_bytes(run->skb, run->offset, words, last + 1))
		return 1;
	for (int i = 0; i < CHECKSUM_PIECE / 8; i++)
		run->sum += (words[i] & 0xffffffff) + (words[i] >> 32);
	run->offset += left;
	return 0;
}

static __always_inline __u16 checksum_fold(__u64 sum)
{
	for (int i = 0; i < 4; i++)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/*
 * A segment whose checksum TCP would find wrong is discarded after it was read here, and another
 * may take its place: so it is verified first, unless the device or the sender of this host vouches
 * for it.
 */
SUBPROGRAM int segment_checksum_ok(struct __sk_buff *skb, struct http_scratch *scratch,
				   struct segment *segment)
{
	struct sk_buff *packet;
	struct checksum_run run = { .skb = skb, .scratch = scratch };
	__be32 pseudo[10] = {};
	__u32 addresses = segment->family == 4 ? 12 : 8, summed;

	if (!CONFIG_PERIGEE_PACKET_STATE)
		return 0; /* the loader doesn't attach this hook there */
	packet = bpf_cast_to_kern_ctx(skb);
	summed = BPF_CORE_READ_BITFIELD(packet, ip_summed);
	if (summed == CHECKSUM_UNNECESSARY || summed == CHECKSUM_PARTIAL ||
	    BPF_CORE_READ_BITFIELD(packet, csum_valid))
		return 1; /* a sum of the device's that nobody has compared proves nothing */
	if (segment->family == 4) {
		if (bpf_skb_load_bytes(skb, addresses, pseudo, 8))
			return 0;
	} else if (bpf_skb_load_bytes(skb, addresses, pseudo, 32)) {
		return 0;
	}
	pseudo[8] = bpf_htonl(skb->len - segment->tcp);
	pseudo[9] = bpf_htonl(IPPROTO_TCP);
	for (int i = 0; i < 10; i++)
		run.sum += pseudo[i];
	run.offset = segment->tcp;
	run.end = skb->len;
	bpf_loop(256, checksum_piece, &run, 0);
	if (run.offset < run.end)
		return 0;
	return checksum_fold(run.sum) == 0xffff;
}

#endif
