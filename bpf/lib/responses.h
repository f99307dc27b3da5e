// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_RESPONSES_H
#define PERIGEE_LIB_RESPONSES_H

#include "lib/body.h"
#include "lib/opaque.h"
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
		request_end(stream, reader->status, scratch_now(frame->scratch));
	reader->phase = HTTP_HEAD;
}

static __always_inline bool request_connects(const struct http_stream *stream)
{
	return stream->method_length == 7 && stream->text[0] == 'C';
}

/* The connection has left HTTP. Policy that the kernel decides lets none do that. */
static __always_inline void response_leaves(struct http_frame *frame, __u16 status)
{
	struct http_stream *stream = frame->stream;

	if (!stream->visible)
		return;
	if (stream->current)
		request_end(stream, status, scratch_now(frame->scratch));
	stream_opaque(stream, REASON_OPAQUE_UPGRADED);
}

/* RFC 9112, 6.3: where the body of a response ends. */
static __always_inline void response_body(struct http_frame *frame)
{
	struct http_stream *stream = frame->stream;
	struct http_reader *reader = frame->reader;
	bool bodyless = stream->heads >> (stream->responses & 63) & 1;

	/* A later one's beginning takes its place: the record is of the last request. */
	if (reader->status >= 200 || reader->status == 101)
		stream->answered = scratch_now(frame->scratch);
	if (reader->status == 101 || (request_connects(stream) && reader->status / 100 == 2)) {
		reader->phase = HTTP_UNTIL_CLOSE;
		response_leaves(frame, reader->status);
	} else if (reader->status >= 100 && reader->status < 200) {
		return; /* another head follows */
	} else if (bodyless || reader->status == 204 || reader->status == 304) {
		response_end(frame);
	} else if (reader->flags & FLAG_TRANSFER_ENCODING) {
		reader->phase = HTTP_CHUNKED;
		reader->chunk = 0;
		reader->length = 0;
	} else if (!(reader->flags & FLAG_LENGTH)) {
		reader->phase = HTTP_UNTIL_CLOSE;
	} else if (!reader->length) {
		response_end(frame);
	} else {
		reader->phase = HTTP_BODY;
		reader->remaining = reader->length;
	}
}

/* Bit 7 of each byte that is a line feed; exact for the lowest. */
static __always_inline __u64 line_feeds(__u64 word)
{
	word ^= 0x0a0a0a0a0a0a0a0aULL;
	return (word - 0x0101010101010101ULL) & ~word & 0x8080808080808080ULL;
}

#define LOWER_CASE 0x2020202020202020ULL
/* Eight letters of a header name as one word, in lower case. */
#define NAME_CONTENT_ 0x2d746e65746e6f63ULL /* "content-" */
#define NAME_LENGTH_  0x003a6874676e656cULL /* "length:" and whatever comes then */
#define NAME_TRANSFER 0x726566736e617274ULL /* "transfer" */
#define NAME_ENCODIN  0x6e69646f636e652dULL /* "-encodin", and no other name goes on so */
#define LENGTH_DIGITS 18

/* Digits behind a colon and spaces. */
static __always_inline __u64 response_length(const struct http_scratch *scratch, __u32 at)
{
	__u64 length = 0;

	for (int i = 0; i < LENGTH_DIGITS; i++) {
		__u8 byte = scratch->window[(at + i) & (HTTP_WINDOW - 1)];

		if (byte >= '0' && byte <= '9')
			length = length * 10 + (byte - '0');
		else if (byte != ' ')
			break;
	}
	return length;
}

/* What one line says of the framing. */
static __always_inline void response_line(struct http_frame *frame, __u32 at)
{
	struct http_scratch *scratch = frame->scratch;
	struct http_reader *reader = frame->reader;
	__u64 name = WINDOW_WORD(scratch, at) | LOWER_CASE;

	if (name == (NAME_CONTENT_ | LOWER_CASE)) {
		name = (WINDOW_WORD(scratch, at + 8) | LOWER_CASE) & 0x00ffffffffffffffULL;
		if (name != ((NAME_LENGTH_ | LOWER_CASE) & 0x00ffffffffffffffULL))
			return;
		reader->flags |= FLAG_LENGTH;
		reader->length = response_length(scratch, at + 15);
	} else if (name == NAME_TRANSFER &&
		   (WINDOW_WORD(scratch, at + 8) | LOWER_CASE) == (NAME_ENCODIN | LOWER_CASE)) {
		reader->flags |= FLAG_TRANSFER_ENCODING;
	}
}

#define SCAN_WORDS 64 /* per turn */

/*
 * Looks at lines from `scan` on: at the two letters that framing headers begin with, and for the
 * empty one. Stops at the end of the head, or of the window.
 */
static long response_scan(__u32 index __unused, struct http_frame *frame)
{
	struct http_scratch *scratch = frame->scratch;
	__u32 to = scratch->window_to - scratch->window_from, at = scratch->scan, next;

	for (int i = 0; i < SCAN_WORDS; i++, at = next) {
		__u64 word, found;
		__u32 line;

		if (at >= to)
			return 1;
		/* Words follow on each other whatever they hold: none waits for the one before. */
		next = at + 8;
		found = line_feeds(WINDOW_WORD(scratch, at));
		if (!found)
			continue;
		line = at + LOWEST_BYTE(found) + 1;
		if (found & (found - 1))
			next = line;
		if (line >= to)
			return 1;
		word = WINDOW_WORD(scratch, line);
		if ((__u8)word == '\n' || (__u16)word == 0x0a0d) {
			line += (__u8)word == '\n' ? 1 : 2;
			if (line <= to)
				scratch->head_ends = line;
			return 1;
		}
		word |= LOWER_CASE;
		if (word == (NAME_CONTENT_ | LOWER_CASE) || word == NAME_TRANSFER) {
			response_line(frame, line);
			scratch->scan = next;
			return 0;
		}
	}
	scratch->scan = at;
	return 0;
}

/*
 * Reads a head that lies whole in the window: where its body ends, and its status. This decides
 * nothing, so it doesn't have to be strict.
 */
static __always_inline int response_turn_head(struct http_frame *frame)
{
	struct http_scratch *scratch = frame->scratch;
	struct http_reader *reader = frame->reader;
	__u32 at = scratch->position - scratch->window_from;

	if (at) {
		/* Behind another response: looked at from its first byte. */
		scratch->window_to = scratch->position;
		if (!window_load(frame))
			return HEAD_REJECTED;
	}
	if ((WINDOW_WORD(scratch, 0) & 0x00ffffffffffffffULL) !=
	    0x002e312f50545448ULL) /* "HTTP/1." */
		return HEAD_REJECTED;
	reader->status = (scratch->window[9] - '0') * 100 + (scratch->window[10] - '0') * 10 +
			 (scratch->window[11] - '0');
	reader->flags = 0;
	reader->length = 0;
	scratch->scan = 12;
	scratch->head_ends = 0;
	bpf_loop(HTTP_WINDOW / 2, response_scan, frame, 0);
	if (!scratch->head_ends)
		return HEAD_REJECTED;
	scratch->position += scratch->head_ends;
	response_body(frame);
	return HEAD_MORE;
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

static __always_inline void response_lost(struct http_stream *stream, struct http_reader *reader)
{
	reader->phase = HTTP_UNTRACKED;
	reader->remaining = 0;
	stream->unsure = 1;
	stream->seen = stream->requests;
}

/* A client that doesn't pipeline asks again when it has the whole response: what comes now is the
 * next. */
static __always_inline void response_resume(struct http_stream *stream, struct http_reader *reader)
{
	if (stream->seen == stream->requests)
		return;
	stream->responses = stream->requests - 1;
	reader->phase = HTTP_HEAD;
}

/* Bytes that follow on what was read. */
static __always_inline void response_read(struct http_frame *frame, __u32 bytes)
{
	frame->scratch->status = HEAD_MORE;
	frame->stream->response_bytes += bytes;
	bpf_loop(TURNS, response_turn, frame, 0);
	if (frame->scratch->status == HEAD_REJECTED)
		response_lost(frame->stream, frame->reader);
}

static __always_inline void response_segment(struct http_frame *frame,
					     const struct segment *segment)
{
	struct http_stream *stream = frame->stream;
	struct http_scratch *scratch = frame->scratch;
	struct http_reader *reader = &stream->response;
	__u32 end = segment->sequence + segment->length;

	frame->reader = reader;
	scratch->now = 0;
	if (reader->phase == HTTP_UNTRACKED)
		response_resume(stream, reader);
	if (segment->length && sequence_before(stream->out_next, end)) {
		if (sequence_before(stream->out_next, segment->sequence) ||
		    stream->requests - stream->responses > 64)
			response_lost(stream, reader);
		scratch_begin(scratch, segment->payload, segment->length);
		scratch->position = stream->out_next - segment->sequence;
		response_read(frame, end - stream->out_next);
		stream->out_next = end;
	}
	if ((segment->flags & SEGMENT_FIN) && reader->phase == HTTP_UNTIL_CLOSE) {
		response_end(frame);
		response_lost(stream, reader);
	}
}

#endif
