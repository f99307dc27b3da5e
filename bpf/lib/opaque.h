// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_OPAQUE_H
#define PERIGEE_LIB_OPAQUE_H

#include "lib/request.h"
#include "lib/tables.h"

/*
 * Visible connections: read as policy would read them, for their records alone.
 * Where policy would refuse, or drop a segment, they pass. What can't be followed
 * is opaque from then on.
 */

/* Connections that became opaque, by enum reason. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, REASON_COUNT);
	__type(key, __u32);
	__type(value, __u64);
	MAP_PINNED;
} opaque_counts SEC(".maps");

static __always_inline void opaque_count(__u32 reason)
{
	counter_add(&opaque_counts, reason);
}

/* Says that a connection is read no more. */
SUBPROGRAM int opaque_record(struct http_stream *stream, __u16 reason)
{
	struct request_outcome outcome = {
		.time = bpf_ktime_get_ns(),
		.reason = reason,
		.verdict = VERDICT_ALLOWED,
	};
	struct flow_record *record;
	__u64 flags;

	opaque_count(reason);
	flags = ring_wakeup(bpf_ringbuf_query(&flows, BPF_RB_AVAIL_DATA), FLOWS_BYTES);
	record = bpf_ringbuf_reserve(&flows, sizeof(*record), 0);
	if (!record) {
		flow_lost(RING_FLOWS);
		return 0;
	}
	request_record_fill(record, stream, &outcome);
	record->kind = FLOW_OPAQUE;
	record->path = PATH_DIRECT;
	record->duration = outcome.time - stream->opened;
	record->bytes_sent = 0;
	record->bytes_received = 0;
	record->method_length = 0;
	record->path_length = 0;
	record->host_length = 0;
	bpf_ringbuf_submit(record, flags);
	return 0;
}

/*
 * Nothing of the connection is read any more. While it has no socket anybody can send for it: then
 * `rule` keeps the reason until the socket says so.
 */
SUBPROGRAM int stream_opaque(struct http_stream *stream, __u16 reason)
{
	if (stream->opaque)
		return 0;
	stream->opaque = 1;
	if (!stream->cookie) {
		stream->rule = reason;
		return 0;
	}
	if (stream->current)
		request_end(stream, 0, bpf_ktime_get_ns());
	return opaque_record(stream, reason);
}

#define TLS_HANDSHAKE 0x16

/* What a connection that isn't HTTP/1 from its first byte on is, where that is plain. */
static __always_inline __u16 opaque_reason(const struct http_frame *frame, __u16 reason)
{
	const struct http_scratch *scratch = frame->scratch;
	__u32 at = scratch->head_from - scratch->window_from;

	if (reason < REASON_HTTP_DENIED || frame->stream->requests)
		return reason;
	if (scratch->rejected == REJECT_HTTP2)
		return REASON_OPAQUE_HTTP2;
	if (at < HTTP_WINDOW && scratch->window[at & (HTTP_WINDOW - 1)] == TLS_HANDSHAKE)
		return REASON_OPAQUE_TLS;
	return reason;
}

#endif
