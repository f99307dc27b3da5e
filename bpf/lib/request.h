// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_REQUEST_H
#define PERIGEE_LIB_REQUEST_H

#include "lib/flow.h"
#include "lib/scratch.h"
#include "lib/trace.h"

/*
 * Records and counts of the requests of inline connections. A miss costs the
 * record or the count, never the verdict.
 */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 8192);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct request_count_key);
	__type(value, struct request_count);
	MAP_PINNED;
} request_counts SEC(".maps");

#define LATENCY_FIRST_SHIFT 15 /* the first bucket ends at 2^15 ns */

/* By the length of the method and its first letters: the record carries it whole. */
static __always_inline __u8 method_of(const struct http_stream *stream)
{
	__u8 first = stream->text[0], second = stream->text[1];

	switch (stream->method_length) {
	case 3:
		return first == 'G' ? METHOD_GET : first == 'P' ? METHOD_PUT : METHOD_OTHER;
	case 4:
		return first == 'H' ? METHOD_HEAD : first == 'P' ? METHOD_POST : METHOD_OTHER;
	case 5:
		return first == 'P' && second == 'A' ? METHOD_PATCH : METHOD_OTHER;
	case 6:
		return first == 'D' ? METHOD_DELETE : METHOD_OTHER;
	case 7:
		return first == 'O' ? METHOD_OPTIONS : METHOD_OTHER;
	}
	return METHOD_OTHER;
}

static __always_inline __u32 latency_bucket(__u64 duration)
{
	__u64 rest = duration >> LATENCY_FIRST_SHIFT;
	__u32 bucket = 0;

	/* Binary search for the highest bit: no loop to verify. */
	if (rest >> 8) {
		bucket += 8;
		rest >>= 8;
	}
	if (rest >> 4) {
		bucket += 4;
		rest >>= 4;
	}
	if (rest >> 2) {
		bucket += 2;
		rest >>= 2;
	}
	if (rest >> 1) {
		bucket += 1;
		rest >>= 1;
	}
	bucket += rest ? 1 : 0;
	return bucket < HTTP_LATENCY_BUCKETS ? bucket : HTTP_LATENCY_BUCKETS - 1;
}

SUBPROGRAM int request_count(const struct http_stream *stream, __u32 status, __u32 verdict,
			     __u64 duration)
{
	struct request_count_key key = {};
	struct request_count *count;

	if (!stream)
		return 0;
	key.source_identity = stream->source_identity;
	key.source_workload = stream->source_workload;
	key.workload = stream->workload;
	key.status = status;
	key.method = method_of(stream);
	key.verdict = verdict;
	count = bpf_map_lookup_elem(&request_counts, &key);
	if (!count) {
		static const struct request_count none SEC(".rodata.none");

		bpf_map_update_elem(&request_counts, &key, &none, BPF_NOEXIST);
		count = bpf_map_lookup_elem(&request_counts, &key);
		if (!count) {
			/* Full: all others share one. */
			__builtin_memset(&key, 0, sizeof(key));
			bpf_map_update_elem(&request_counts, &key, &none, BPF_NOEXIST);
			count = bpf_map_lookup_elem(&request_counts, &key);
			if (!count)
				return 0;
		}
	}
	__sync_fetch_and_add(&count->count, 1);
	__sync_fetch_and_add(&count->duration, duration);
	__sync_fetch_and_add(&count->buckets[latency_bucket(duration) & (HTTP_LATENCY_BUCKETS - 1)],
			     1);
	return 0;
}

/* What a record says beside what the stream knows. */
struct request_outcome {
	__u64 time;
	__u64 reference;
	__u32 rule;
	__u16 status;
	__u16 reason;
	__u32 verdict;
};

/* Most records have so much text, at most; the others get room for all there can be. */
#define SHORT_TEXT_BYTES 56
#define TIMES_BYTES	 __builtin_offsetof(struct flow_detail, trace_id)
#define DETAIL_BYTES	 sizeof(struct flow_detail)
#define LONG_TEXT_BYTES	 (HTTP_TEXT_BYTES + HTTP_HOST_BYTES)

/* Every field: what the ring gives is not empty. */
static __always_inline void request_record_fill(struct flow_record *record,
						const struct http_stream *stream,
						const struct request_outcome *outcome)
{
	record->time = outcome->time;
	record->connection = stream->cookie;
	record->duration = outcome->time - stream->request_start;
	record->bytes_sent = stream->request_bytes;
	record->bytes_received = stream->response_bytes;
	record->reference = outcome->reference;
	__builtin_memcpy(record->source_address, stream->remote, 16);
	__builtin_memcpy(record->destination_address, stream->local, 16);
	record->source_identity = stream->source_identity;
	record->destination_identity = stream->identity;
	record->source_workload = stream->source_workload;
	record->destination_workload = stream->workload;
	record->egress_rule = 0;
	record->ingress_rule = outcome->rule;
	record->rtt = 0;
	record->retransmits = 0;
	record->service = stream->service;
	record->boosted = 0;
	record->source_port = stream->remote_port;
	record->destination_port = stream->local_port;
	record->status = outcome->status;
	record->reason = outcome->reason;
	record->kind = FLOW_REQUEST;
	record->verdict = outcome->verdict;
	record->direction = DIRECTION_INGRESS;
	record->path = PATH_INLINE;
	record->protocol = IPPROTO_TCP;
	record->family = stream->family;
	record->method_length = stream->method_length;
	record->closer = CLOSER_UNKNOWN;
	record->path_length = stream->text_length - stream->method_length;
	record->host_length = stream->host_length;
	record->detail_length = 0;
	record->padding = 0;
}

static __always_inline __u64 microseconds(__u64 from, __u64 to)
{
	__u64 time = (to - from) / 1000;

	return time < 0xffffffff ? time : 0xffffffff;
}

/* Where the time went, if there was a response. A server may answer before it has heard all. */
static __always_inline void request_times(struct flow_detail *detail,
					  const struct http_stream *stream)
{
	__u64 answered = stream->answered, sent = stream->request_sent;

	if (answered < stream->request_start) {
		detail->request_time = 0;
		detail->server_time = 0;
		return;
	}
	if (!sent || sent > answered)
		sent = answered;
	detail->request_time = microseconds(stream->request_start, sent);
	detail->server_time = microseconds(sent, answered);
}

/* Behind `room` bytes there are `size` more; without a trace the times are all. */
static __always_inline void request_detail(struct flow_record *record, __u32 room, __u32 size,
					   const struct http_stream *stream)
{
	__u32 length = stream->text_length + stream->host_length;
	struct flow_detail *detail;

	asm volatile("" : "+r"(length));
	if (length > room)
		return;
	detail = (void *)(record + 1) + length;
	request_times(detail, stream);
	record->detail_length = TIMES_BYTES;
	if (size == TIMES_BYTES || !stream->traced)
		return;
	trace_fill(detail, stream);
	record->detail_length = sizeof(*detail);
}

/*
 * Writes the record of the stream's current request, with room for `room` bytes of text and a
 * detail of `size`. The text may be more than counts: the detail comes over it.
 */
#define REQUEST_RECORD(ring, room, size, stream, outcome, flags, lost)          \
	({                                                                      \
		struct flow_record *record_ = bpf_ringbuf_reserve(              \
			ring, sizeof(struct flow_record) + (room) + (size), 0); \
		if (record_) {                                                  \
			request_record_fill(record_, stream, outcome);          \
			__builtin_memcpy(record_ + 1, (stream)->text, room);    \
			request_detail(record_, room, size, stream);            \
			bpf_ringbuf_submit(record_, flags);                     \
		} else {                                                        \
			flow_lost(lost);                                        \
		}                                                               \
	})

/* A setting (src/datapath/loader.ts): allowed requests are counted and leave no record. */
extern bool CONFIG_PERIGEE_REFUSED_REQUESTS_ONLY __kconfig __weak;

SUBPROGRAM int request_record(struct http_stream *stream, const struct request_outcome *outcome)
{
	__u64 flags;

	if (CONFIG_PERIGEE_REFUSED_REQUESTS_ONLY && outcome->verdict == VERDICT_ALLOWED)
		return 0;
	if (outcome->verdict == VERDICT_DENIED) {
		drop_count(outcome->reason);
		flags = ring_wakeup(bpf_ringbuf_query(&denials, BPF_RB_AVAIL_DATA), DENIALS_BYTES);
		REQUEST_RECORD(&denials, LONG_TEXT_BYTES, DETAIL_BYTES, stream, outcome, flags,
			       RING_DENIALS);
		return 0;
	}
	flags = ring_wakeup(bpf_ringbuf_query(&flows, BPF_RB_AVAIL_DATA), FLOWS_BYTES);
	if (stream->text_length + stream->host_length > SHORT_TEXT_BYTES)
		REQUEST_RECORD(&flows, LONG_TEXT_BYTES, DETAIL_BYTES, stream, outcome, flags,
			       RING_FLOWS);
	else if (stream->traced)
		REQUEST_RECORD(&flows, SHORT_TEXT_BYTES, DETAIL_BYTES, stream, outcome, flags,
			       RING_FLOWS);
	else
		REQUEST_RECORD(&flows, SHORT_TEXT_BYTES, TIMES_BYTES, stream, outcome, flags,
			       RING_FLOWS);
	return 0;
}

/* Ends the current request: one record, one count. */
SUBPROGRAM int request_end(struct http_stream *stream, __u32 status, __u64 now)
{
	struct request_outcome outcome = {
		.time = now,
		.rule = stream->rule,
		.status = status,
		.verdict = stream->audited ? VERDICT_AUDITED : VERDICT_ALLOWED,
	};

	stream->current = 0;
	request_record(stream, &outcome);
	request_count(stream, status, outcome.verdict, outcome.time - stream->request_start);
	return 0;
}

#endif
