// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_STREAM_H
#define PERIGEE_LIB_STREAM_H

#include "lib/features.h"
#include "lib/policy.h"
#include "lib/request.h"
#include "lib/workload.h"

/*
 * The order of a TCP stream as cgroup_skb sees it: which bytes of a segment are
 * new, and whether TCP will take them as they were read. The rules and what each
 * keeps out stand in docs/design/inline.md.
 */

/* Of the server's socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct http_stream);
	MAP_PINNED;
} streams SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct boosted_stream);
	MAP_PINNED;
} boosted_streams SEC(".maps");

static __always_inline struct boosted_stream *boosted_of(const struct http_stream *moved)
{
	__u64 cookie = moved->cookie;

	return bpf_map_lookup_elem(&boosted_streams, &cookie);
}

/* What came before there was a socket to keep it with: data on the handshake's last segment. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct tuple_key);
	__type(value, struct http_stream);
	MAP_PINNED;
} early_streams SEC(".maps");

/* Refused connections that are still there: what an agent that was away sweeps. By socket cookie.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct refusal);
	MAP_PINNED;
} refused SEC(".maps");

/* Refusals, for the agent to answer. Wakes it at once. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
	MAP_PINNED;
} refusals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct inline_settings);
	MAP_PINNED;
} inline_settings SEC(".maps");

static __always_inline struct inline_settings *inline_settings_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&inline_settings, &zero);
}

/* Who is at the two ends of a stream, and what policy says of them. */
struct stream_ends {
	struct address local, remote;
	__u64 netns;
	__u64 epoch; /* before policy was asked: a change meanwhile makes the first request ask */
	__u16 local_port, remote_port; /* host byte order */
	__u8 family;
};

static __always_inline __u64 inline_epoch(void)
{
	struct inline_settings *settings = inline_settings_get();

	return settings ? settings->epoch : 0;
}

static __always_inline void stream_begin(struct http_stream *stream, const struct stream_ends *ends,
					 const struct workload *workload,
					 const struct ipcache_entry *peer,
					 const struct policy_verdict *verdict)
{
	stream->netns = ends->netns;
	address_copy(stream->remote, &ends->remote);
	address_copy(stream->local, &ends->local);
	stream->remote_port = ends->remote_port;
	stream->local_port = ends->local_port;
	stream->family = ends->family;
	stream->source_identity = peer->identity;
	stream->source_workload = peer->workload;
	stream->identity = workload->identity;
	stream->workload = workload->id;
	stream->request.table = verdict->table;
	stream->visible = verdict->action == ACTION_VISIBLE;
	stream->opened = bpf_ktime_get_ns();
	stream->epoch = ends->epoch;
}

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

/* More of them without progress and TCP has discarded what was read: the connection is closed. */
#define STREAM_OVERLAPS 8
/* How far ahead one body is vouched for: half the sequence space is all that comparisons bear. */
#define STREAM_BODY_AHEAD (1U << 30)

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

/* Moves on over body bytes that TCP has taken out of our order. False: they were no body. */
static __always_inline bool stream_catch_up(struct http_stream *stream, __u32 received)
{
	struct http_reader *reader = &stream->request;
	__u32 ahead = received - stream->next;

	if (!sequence_before(stream->next, received))
		return true;
	if (sequence_before(stream->body_to, received) || reader->remaining < ahead ||
	    reader->phase == HTTP_HEAD)
		return false;
	reader->remaining -= ahead;
	if (!reader->remaining && reader->phase == HTTP_BODY)
		reader->phase = HTTP_HEAD;
	stream->next = received;
	return true;
}

/* What TCP has taken needs no vouching any more; and a position that grows old wraps around. */
static __always_inline void stream_forget_body(struct http_stream *stream, __u32 received)
{
	if (sequence_before(stream->body_from, received))
		stream->body_from = received;
	if (sequence_before(stream->body_to, received))
		stream->body_to = received;
}

enum stream_order {
	STREAM_READ = 0, /* from `stream->next` on */
	STREAM_PASS = 1, /* nothing new, or nothing but body */
	STREAM_DROP = 2,
	STREAM_LOST = 3,
};

/*
 * What of a segment is to be read. R is what TCP has taken, N what was read here.
 * Before N and not yet taken by TCP, a copy may differ from what was read: only
 * body may come again there.
 */
static __always_inline enum stream_order stream_order(struct http_stream *stream,
						      const struct segment *segment, __u32 received,
						      __u16 *reason)
{
	__u32 from = segment->sequence, to = from + segment->length;
	struct http_reader *reader = &stream->request;
	__u32 seen;

	if (!stream_catch_up(stream, received)) {
		*reason = REASON_STREAM_POSITION_LOST;
		return STREAM_LOST;
	}
	stream_forget_body(stream, received);
	if (reader->phase == HTTP_BODY || (reader->phase == HTTP_CHUNKED && reader->remaining)) {
		__u64 left = reader->remaining < STREAM_BODY_AHEAD ? reader->remaining
								   : STREAM_BODY_AHEAD;

		stream->body_to = stream->next + (__u32)left;
	}
	if (sequence_before(stream->next, from)) {
		if (!sequence_before(stream->body_to, to) && reader->remaining)
			return STREAM_PASS; /* wholly inside a body that is known */
		*reason = REASON_SEGMENT_AHEAD;
		return STREAM_DROP;
	}
	if (received == stream->next || from == stream->next) {
		stream->overlaps = 0;
		return STREAM_READ;
	}
	seen = sequence_before(from, received) ? received : from;
	if (!sequence_before(seen, stream->body_from) &&
	    !sequence_before(stream->body_to,
			     sequence_before(to, stream->next) ? to : stream->next))
		return sequence_before(stream->next, to) ? STREAM_READ : STREAM_PASS;
	*reason = REASON_SEGMENT_AMBIGUOUS;
	if (++stream->overlaps < STREAM_OVERLAPS)
		return STREAM_DROP;
	*reason = REASON_STREAM_POSITION_LOST;
	return STREAM_LOST;
}

/*
 * Whether the stream may end at a position. TCP keeps a FIN that comes before its turn: inside a
 * head it would end that head later, without being asked for again. Returns enum reason.
 */
static __always_inline __u16 stream_fin(struct http_stream *stream, __u32 at, __u32 received)
{
	const struct http_reader *reader = &stream->request;

	if (!stream_catch_up(stream, received))
		return REASON_STREAM_POSITION_LOST;
	stream_forget_body(stream, received);
	if (at == stream->next)
		return reader->head_bytes ? REASON_HTTP_TRUNCATED : REASON_NONE;
	if (sequence_before(at, stream->next))
		return REASON_SEGMENT_AMBIGUOUS;
	return at - stream->next <= reader->remaining ? REASON_NONE : REASON_SEGMENT_AHEAD;
}

#endif
