// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_RESPONSES_H
#define PERIGEE_LIB_RESPONSES_H

#include "lib/body.h"
#include "lib/stream.h"

/*
 * Reads the responses of an inline connection: where each ends, and its status.
 * Nothing is decided here but whether a refusal may be answered. What can't be
 * followed makes records incomplete: the phase is HTTP_UNTRACKED from then on.
 */

static __always_inline void response_end(struct http_frame *frame)
{
	struct http_stream *stream = frame->stream;
	struct http_reader *reader = frame->reader;

	stream->responses++;
	/* The record is of the last request: answers to earlier ones went without. */
	if (stream->current && stream->responses == stream->requests)
		request_end(stream, frame->scratch, reader->status);
	reader->phase = HTTP_HEAD;
	reader->head_bytes = 0;
}

/* RFC 9112, 6.3: where the body of a response ends. */
static __always_inline void response_body(struct http_frame *frame)
{
	struct http_stream *stream = frame->stream;
	struct http_reader *reader = frame->reader;
	bool bodyless = stream->heads >> (stream->responses & 63) & 1;

	if (reader->status >= 100 && reader->status < 200) {
		reader->head_bytes = 0; /* another head follows */
		if (reader->status == 101)
			reader->phase = HTTP_UNTRACKED;
	} else if (bodyless || reader->status == 204 || reader->status == 304) {
		response_end(frame);
	} else if (reader->flags & FLAG_TRANSFER_ENCODING) {
		reader->phase = HTTP_CHUNKED;
		reader->chunk = 0;
		reader->length = 0;
		reader->head_bytes = 0;
	} else if (!(reader->flags & FLAG_LENGTH)) {
		reader->phase = HTTP_UNTIL_CLOSE;
		reader->head_bytes = 0;
	} else if (!reader->length) {
		response_end(frame);
	} else {
		reader->phase = HTTP_BODY;
		reader->remaining = reader->length;
		reader->head_bytes = 0;
	}
}

static __always_inline int response_turn_head(struct http_frame *frame)
{
	struct http_reader *reader = frame->reader;
	int status;

	if (!reader->head_bytes) {
		automaton_begin(reader, frame->pool);
		automaton_use(frame);
	}
	status = head_block(frame);
	if (status == HEAD_DONE) {
		response_body(frame);
		return HEAD_MORE;
	}
	return status;
}

/* One turn over a segment of responses. */
static long response_turn(__u32 index __unused, struct http_frame *frame)
{
	struct http_scratch *scratch = frame->scratch;
	struct http_reader *reader = frame->reader;
	int status;

	if (scratch->position >= scratch->length)
		return 1;
	if (reader->phase >= HTTP_UNTIL_CLOSE)
		return 1;
	if (reader->remaining) {
		body_take(frame);
		if (!reader->remaining && reader->phase == HTTP_BODY)
			response_end(frame);
		return 0;
	}
	if (!window_load(frame)) {
		frame->scratch->status = HEAD_REJECTED;
		return 1;
	}
	if (reader->phase == HTTP_HEAD) {
		status = response_turn_head(frame);
	} else {
		status = chunk_block(frame);
		if (status == HEAD_DONE) {
			response_end(frame);
			status = HEAD_MORE;
		}
	}
	if (status == HEAD_REJECTED) {
		frame->scratch->status = status;
		return 1;
	}
	return 0;
}

static __always_inline void response_segment(struct http_frame *frame,
					     const struct segment *segment)
{
	struct http_stream *stream = frame->stream;
	struct http_scratch *scratch = frame->scratch;
	struct http_reader *reader = &stream->response;
	__u32 end = segment->sequence + segment->length;

	frame->reader = reader;
	if (reader->phase == HTTP_UNTRACKED)
		return;
	if (segment->length && sequence_before(stream->out_next, end)) {
		if (sequence_before(stream->out_next, segment->sequence) ||
		    stream->requests - stream->responses > 64) {
			reader->phase = HTTP_UNTRACKED;
			return;
		}
		scratch_begin(scratch, segment->payload, segment->length);
		scratch->position = stream->out_next - segment->sequence;
		frame->scratch->status = HEAD_MORE;
		stream->response_bytes += end - stream->out_next;
		stream->out_next = end;
		if (reader->head_bytes)
			automaton_use(frame);
		bpf_loop(TURNS, response_turn, frame, 0);
		if (frame->scratch->status == HEAD_REJECTED)
			reader->phase = HTTP_UNTRACKED;
	}
	if ((segment->flags & SEGMENT_FIN) && reader->phase == HTTP_UNTIL_CLOSE) {
		response_end(frame);
		reader->phase = HTTP_UNTRACKED;
	}
}

#endif
