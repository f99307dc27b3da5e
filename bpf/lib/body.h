// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_BODY_H
#define PERIGEE_LIB_BODY_H

#include "lib/automaton.h"

/*
 * Finds the end of message bodies without looking at their bytes. Chunked framing
 * is read strictly, as core/http/chunked.ts reads it, but refuses every trailer:
 * which names may come there isn't known here.
 */

enum {
	CHUNK_SIZE_FIRST = 0,
	CHUNK_SIZE = 1,
	CHUNK_SIZE_LF = 2,
	CHUNK_DATA = 3,
	CHUNK_DATA_CR = 4,
	CHUNK_DATA_LF = 5,
	CHUNK_TRAILER = 6,
	CHUNK_END_LF = 7,
};

#define CHUNK_SIZE_BOUND ((1ULL << 53) / 16 - 1)

#ifdef HTTP_FROM_MESSAGES
static __always_inline int payload_copy(struct http_frame *frame, __u32 from, __u32 size)
{
	struct sk_msg_md *message = frame->message;

	/* Also a message in several pieces lies in one then. */
	if (bpf_msg_pull_data(message, from, from + size, 0))
		return -1;
	if (message->data + size > message->data_end)
		return -1;
	return bpf_probe_read_kernel(frame->scratch->window, size, message->data);
}
#else
static __always_inline int payload_copy(struct http_frame *frame, __u32 from, __u32 size)
{
	return bpf_skb_load_bytes(frame->skb, frame->scratch->payload + from,
				  frame->scratch->window, size);
}
#endif

/* The part of the payload at `position` is in the window. */
static __always_inline bool window_load(struct http_frame *frame)
{
	struct http_scratch *scratch = frame->scratch;
	__u32 size, last;

	if (scratch->position >= scratch->window_from && scratch->position < scratch->window_to)
		return true;
	if (frame->reader->open)
		lanes_run(frame, scratch->window_to);
	if (scratch->trace_from != HTTP_NOWHERE)
		trace_keep(frame);
	size = scratch->length - scratch->position;
	if (size > HTTP_WINDOW)
		size = HTTP_WINDOW;
	/* Linux 6.1 learns that a size isn't zero by this form alone. */
	last = size - 1;
	asm volatile("" : "+r"(last));
	if (last >= HTTP_WINDOW)
		return false;
	if (payload_copy(frame, scratch->position, last + 1))
		return false;
	scratch->window_from = scratch->position;
	scratch->window_to = scratch->position + size;
	return true;
}

/* Takes body bytes of the segment without looking at them. */
static __always_inline void body_take(struct http_frame *frame)
{
	struct http_scratch *scratch = frame->scratch;
	struct http_reader *reader = frame->reader;
	__u32 left = scratch->length - scratch->position;

	if (reader->remaining < left)
		left = reader->remaining;
	reader->remaining -= left;
	scratch->position += left;
}

static __always_inline int hex_value(__u8 byte)
{
	__u8 lower = byte | 0x20;

	if (byte >= '0' && byte <= '9')
		return byte - '0';
	return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* One byte of chunked framing (RFC 9112, 7.1), strictly. Returns Reject, or HEAD_DONE << 8 at the
 * body's end. */
static __always_inline __u32 chunk_byte(struct http_reader *reader, __u8 byte)
{
	int digit;

	switch (reader->chunk) {
	case CHUNK_SIZE_FIRST:
	case CHUNK_SIZE:
		digit = hex_value(byte);
		if (digit >= 0) {
			if (reader->length > CHUNK_SIZE_BOUND)
				return REJECT_CHUNK_SIZE_TOO_LARGE;
			reader->length = reader->length * 16 + digit;
			reader->chunk = CHUNK_SIZE;
			return 0;
		}
		if (byte == '\r' && reader->chunk == CHUNK_SIZE) {
			reader->chunk = CHUNK_SIZE_LF;
			return 0;
		}
		if (byte == ';' && reader->chunk == CHUNK_SIZE)
			return REJECT_CHUNK_EXTENSION;
		return byte == '\n' && reader->chunk == CHUNK_SIZE ? REJECT_BARE_LF
								   : REJECT_BAD_CHUNK_SIZE;
	case CHUNK_SIZE_LF:
		if (byte != '\n')
			return REJECT_BARE_CR;
		reader->remaining = reader->length;
		reader->chunk = reader->length ? CHUNK_DATA : CHUNK_TRAILER;
		reader->length = 0;
		return 0;
	case CHUNK_DATA: /* its bytes have been taken */
	case CHUNK_DATA_CR:
		if (byte != '\r')
			return REJECT_BAD_CHUNK_END;
		reader->chunk = CHUNK_DATA_LF;
		return 0;
	case CHUNK_DATA_LF:
		if (byte != '\n')
			return REJECT_BAD_CHUNK_END;
		reader->chunk = CHUNK_SIZE_FIRST;
		return 0;
	case CHUNK_TRAILER:
		if (byte != '\r')
			return REJECT_FORBIDDEN_TRAILER;
		reader->chunk = CHUNK_END_LF;
		return 0;
	default:
		return byte == '\n' ? HEAD_DONE << 8 : REJECT_BARE_CR;
	}
}

#define CHUNK_STEPS 16

/* Framing bytes of the window up to the next data. Returns enum head_status; done: the body has
 * ended. */
SUBPROGRAM int chunk_block(struct http_frame *frame)
{
	struct http_scratch *scratch = frame->scratch;
	struct http_reader *reader = frame->reader;

	for (int i = 0; i < CHUNK_STEPS; i++) {
		__u32 at = scratch->position - scratch->window_from, outcome;

		if (scratch->position >= scratch->window_to || reader->remaining)
			break;
		outcome = chunk_byte(reader, scratch->window[at & (HTTP_WINDOW - 1)]);
		if (outcome & 0xff) {
			scratch->rejected = outcome;
			return HEAD_REJECTED;
		}
		scratch->position++;
		if (outcome)
			return HEAD_DONE;
	}
	return HEAD_MORE;
}

/* More turns than a segment of 64 KiB can need: each ends in progress or in the end. */
#define TURNS (1 << 17)

static __always_inline void scratch_begin(struct http_scratch *scratch, __u32 payload, __u32 length)
{
	scratch->window_from = 0;
	scratch->window_to = 0;
	scratch->payload = payload;
	scratch->length = length;
	scratch->position = 0;
	scratch->head_from = HTTP_NOWHERE;
	scratch->host_from = HTTP_NOWHERE;
	scratch->trace_from = HTTP_NOWHERE;
	scratch->now = 0;
	scratch->lanes_from = HTTP_NOWHERE;
	scratch->rejected = 0;
	scratch->rule = 0;
	scratch->allowed = 0;
	scratch->heads = 0;
	scratch->overrun = 1;
	scratch->pages = PAGES_UNKNOWN;
	scratch->answerable = 1;
}

#endif
