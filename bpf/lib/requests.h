// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_REQUESTS_H
#define PERIGEE_LIB_REQUESTS_H

#include "lib/body.h"
#include "lib/decision.h"
#include "lib/head-memo.h"
#include "lib/refusal.h"
#include "lib/shared.h"

/* Reads the requests of an inline connection and decides them. */

/* A request was allowed: from here on it's current, until its response ends. */
static __always_inline void request_begin(struct http_frame *frame)
{
	struct http_stream *stream = frame->stream;
	struct http_reader *reader = frame->reader;
	__u64 bit = 1ULL << (stream->requests & 63);

	if (reader->flags & FLAG_HEAD_METHOD)
		stream->heads |= bit;
	else
		stream->heads &= ~bit;
	stream->requests++;
	stream->current = 1;
	stream->rule = frame->scratch->rule;
	stream->audited = frame->scratch->audited;
	stream->request_start = scratch_now(frame->scratch);
	stream->request_sent = 0;
	stream->answered = 0;
	stream->request_bytes = reader->head_bytes;
	stream->response_bytes = 0;
}

/* Policy is that by which the stream is read. */
static __always_inline bool stream_is_current(const struct http_stream *stream)
{
	struct inline_settings *settings = inline_settings_get();

	return settings && settings->epoch == stream->epoch;
}

/* Asks policy again when it has changed since. Returns enum reason, 0: go on. */
SUBPROGRAM __u16 stream_policy(struct http_stream *stream)
{
	struct policy_side side = {
		.direction = DIRECTION_INGRESS,
		.protocol = IPPROTO_TCP,
		.port = stream->local_port,
	};
	struct inline_settings *settings = inline_settings_get();
	struct policy_verdict verdict;
	struct workload *workload;
	struct ipcache_entry peer;
	struct address remote;
	__u64 epoch;

	if (!settings)
		return REASON_STREAM_STATE_MISSING;
	epoch = settings->epoch;
	if (stream->epoch == epoch)
		return REASON_NONE;
	workload = workload_of_netns(stream->netns);
	if (!workload)
		return REASON_WORKLOAD_UNKNOWN;
	__builtin_memcpy(remote.byte, stream->remote, 16);
	peer = ipcache_find(&remote);
	side.workload = workload->id;
	side.flags = workload->flags;
	side.peer = peer.identity;
	verdict = policy_decide(&side);
	stream->source_identity = peer.identity;
	stream->source_workload = peer.workload;
	stream->identity = workload->identity;
	stream->workload = workload->id;
	if (policy_allows_direct(&verdict) &&
	    (verdict.action != ACTION_VISIBLE || stream->opaque)) {
		stream->opaque = 1;
	} else if (verdict.action == ACTION_VISIBLE ||
		   (verdict.action == ACTION_INLINE && !stream->opaque && !stream->lenient)) {
		stream->request.table = verdict.table;
		stream->visible = verdict.action == ACTION_VISIBLE;
	} else {
		stream->visible = 0;
		return REASON_POLICY_CHANGED;
	}
	stream->epoch = epoch;
	return REASON_NONE;
}

/* Before the first byte of the next request's head. */
SUBPROGRAM int request_next(struct http_frame *frame)
{
	struct http_scratch *scratch = frame->scratch;
	__u16 reason = REASON_NONE;

	if (!stream_is_current(frame->stream))
		reason = stream_policy(frame->stream);
	if (reason) {
		frame->scratch->rejected = HTTP_NOWHERE;
		frame->scratch->rule = reason;
		return HEAD_REJECTED;
	}
	if (frame->stream->current) /* its response has not ended: pipelined */
		request_end(frame->stream, 0, scratch_now(scratch));
	frame->stream->method_length = 0;
	frame->stream->text_length = 0;
	frame->stream->host_length = 0;
	trace_forget(frame->stream);
	automaton_begin(frame->reader, frame->pool);
	scratch->head_from = scratch->position;
	scratch->host_from = HTTP_NOWHERE;
	/* A head that begins late in the window is looked at whole, for its record. */
	if (scratch->window_to - scratch->position < HTTP_WINDOW / 2)
		scratch->window_to = scratch->position;
	return window_load(frame) ? HEAD_MORE : HEAD_REJECTED;
}

/* Where the body of the request that was allowed ends. */
static __always_inline void request_body(struct http_frame *frame)
{
	struct http_reader *reader = frame->reader;

	if (reader->flags & FLAG_TRANSFER_ENCODING) {
		reader->phase = HTTP_CHUNKED;
		reader->chunk = CHUNK_SIZE_FIRST;
		reader->length = 0;
	} else if (reader->length) {
		reader->phase = HTTP_BODY;
		reader->remaining = reader->length;
		frame->stream->body_from = frame->scratch->first + frame->scratch->position;
	} else {
		frame->stream->request_sent = frame->stream->request_start;
	}
	reader->head_bytes = 0;
}

#ifdef HTTP_FROM_MESSAGES
static __always_inline int request_steady(struct http_frame *frame __unused)
{
	return 1; /* sk_msg sees copies alone */
}
#else
/* Only what stays as it is can be judged. */
SUBPROGRAM int request_steady(struct http_frame *frame)
{
	struct http_scratch *scratch = frame->scratch;

	if (scratch->pages == PAGES_UNKNOWN)
		scratch->pages = packet_shared(frame->skb) ? PAGES_SHARED : PAGES_OWN;
	if (scratch->pages == PAGES_OWN)
		return 1;
	if (frame->stream->visible) {
		frame->stream->lenient = 1;
		return 1;
	}
	scratch->rejected = HTTP_NOWHERE;
	scratch->rule = REASON_SEGMENT_SHARED;
	return 0;
}
#endif

static __always_inline void request_body_ended(struct http_frame *frame)
{
	frame->reader->phase = HTTP_HEAD;
	if (!frame->stream->request_sent)
		frame->stream->request_sent = scratch_now(frame->scratch);
}

/* Reads a head on, or knows it. Returns enum head_status; done: it was allowed. */
static __always_inline int request_head(struct http_frame *frame)
{
	struct http_scratch *scratch = frame->scratch;
	int status;

	if (!frame->reader->head_bytes) {
		if (head_known(frame))
			return HEAD_DONE;
		automaton_use(frame);
	}
	status = head_block(frame);
	if (status != HEAD_DONE)
		return status;
	scratch->rejected = request_decide(frame);
	if (scratch->rejected || !scratch->allowed)
		return HEAD_REJECTED;
	head_learn(frame);
	return HEAD_DONE;
}

static __always_inline int request_turn_head(struct http_frame *frame)
{
	struct http_scratch *scratch = frame->scratch;
	int status;

	if (!frame->reader->head_bytes && request_next(frame) == HEAD_REJECTED)
		return HEAD_REJECTED;
	if (frame->stream->opaque) {
		scratch->position = scratch->length;
		return HEAD_MORE;
	}
	if (!request_steady(frame))
		return HEAD_REJECTED;
	status = request_head(frame);
	if (status != HEAD_DONE)
		return status;
	scratch->heads++;
	request_begin(frame);
	request_body(frame);
	return HEAD_MORE;
}

/* One turn over a segment of requests. */
static long request_turn(__u32 index __unused, struct http_frame *frame)
{
	struct http_scratch *scratch = frame->scratch;
	struct http_reader *reader = frame->reader;
	int status;

	if (scratch->position >= scratch->length) {
		scratch->overrun = 0;
		return 1;
	}
	if (reader->remaining) {
		body_take(frame);
		if (!reader->remaining && reader->phase == HTTP_BODY)
			request_body_ended(frame);
		return 0;
	}
	if (!window_load(frame)) {
		frame->scratch->status = HEAD_REJECTED;
		return 1;
	}
	if (reader->phase == HTTP_HEAD) {
		status = request_turn_head(frame);
	} else {
		status = request_steady(frame) ? chunk_block(frame) : HEAD_REJECTED;
		if (status == HEAD_DONE) {
			request_body_ended(frame);
			status = HEAD_MORE;
		}
		if (reader->remaining)
			frame->stream->body_from = frame->scratch->first + scratch->position;
	}
	if (status == HEAD_REJECTED) {
		frame->scratch->status = status;
		return 1;
	}
	return 0;
}

/*
 * A request line that fills its segment never comes with more: after so many repeats, some six
 * seconds, it is refused instead of left to hang.
 */
#define REQUEST_LINE_CUTS 5

/* Whether a head that nothing read for policy, when it began, would be finished under one that
 * does. */
static __always_inline bool head_outlived(struct http_stream *stream)
{
	__u64 epoch = stream->epoch;
	__u32 table = stream->request.table;

	if (stream_policy(stream) || !stream->visible)
		return true;
	if (!stream->opaque) {
		stream->request.table = table;
		stream->epoch = epoch; /* the next head asks again */
	}
	return false;
}

/* Reads the new part of a segment. Returns HOOK_ALLOW or HOOK_DENY. */
SUBPROGRAM int stream_read(struct http_frame *frame, struct segment *segment, struct tcp_sock *tcp)
{
	struct http_scratch *scratch = frame->scratch;
	struct http_stream *stream = frame->stream;
	struct http_reader *reader = &stream->request;
	__u32 requests = stream->requests;
	__u64 heads = stream->heads, epoch = stream->epoch;
	__u8 *pool = frame->pool;

	frame->reader = reader;
	frame->scratch->first = segment->sequence;
	frame->scratch->status = HEAD_MORE;
	scratch->position = stream->next - segment->sequence;
	scratch->saved = *reader;
	if (reader->head_bytes) {
		if (stream->visible && head_outlived(stream)) {
			stream->visible = 0;
			scratch->rejected = HTTP_NOWHERE;
			return stream_refuse(frame, segment, tcp, REASON_POLICY_CHANGED);
		}
		/* The table was swapped under a head. */
		if (TABLE_WORD(pool, reader->table, TABLE_SERIAL) != reader->serial) {
			scratch->rejected = HTTP_NOWHERE;
			return stream_refuse(frame, segment, tcp, REASON_POLICY_CHANGED);
		}
		automaton_use(frame);
		if (stream->trace_open)
			scratch->trace_from = scratch->position;
	}
	bpf_loop(TURNS, request_turn, frame, 0);
	if (frame->scratch->status == HEAD_REJECTED || scratch->overrun)
		return stream_refuse(frame, segment, tcp, reason_of(scratch));
	if (reader->head_bytes && !stream->opaque) {
		if (reader->open)
			lanes_run(frame, scratch->window_to);
		if (scratch->trace_from != HTTP_NOWHERE)
			trace_keep(frame);
		scratch->rule = 0;
		if (automaton_hopeless(frame))
			return stream_refuse(frame, segment, tcp, reason_of(scratch));
		if (segment->flags & SEGMENT_FIN)
			return stream_refuse(frame, segment, tcp, REASON_HTTP_TRUNCATED);
		if (!reader->lines && !automaton_allows_cut(frame)) {
			/* Sent again with what follows; policy is asked again, too. */
			*reader = scratch->saved;
			stream->epoch = epoch;
			stream->requests = requests;
			stream->heads = heads;
			if (scratch->heads)
				stream->current = 0;
			if (++stream->cuts > REQUEST_LINE_CUTS)
				return stream_refuse(frame, segment, tcp,
						     REASON_HTTP_HEAD_TOO_LARGE);
			return drop(REASON_SEGMENT_AHEAD);
		}
	}
	stream->cuts = 0;
	if (stream->current)
		stream->request_bytes += segment->length;
	stream->next = segment->sequence + segment->length;
	return HOOK_ALLOW;
}

#endif
