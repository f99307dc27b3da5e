// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_STREAM_H
#define PERIGEE_LIB_STREAM_H

#include "lib/policy.h"
#include "lib/request.h"
#include "lib/segment.h"
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

/* More of them without progress and TCP has discarded what was read: the connection is closed. */
#define STREAM_OVERLAPS 8
/* How far ahead one body is vouched for: half the sequence space is all that comparisons bear. */
#define STREAM_BODY_AHEAD (1U << 30)

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
