// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_TRACE_H
#define PERIGEE_LIB_TRACE_H

#include "lib/scratch.h"

/*
 * The W3C trace context that a client sent (https://www.w3.org/TR/trace-context/), read for records
 * as proxy/trace-parent.ts reads it: `00-<32 hex digits>-<16>-<2>`. The head passes as it is. The
 * table says where a value begins; it may go on in later windows and segments.
 */

#define TRACE_VALUE_BYTES 55
#define TRACE_ID_AT	  3
#define TRACE_PARENT_AT	  36
#define TRACE_FLAGS_AT	  53

static __always_inline bool is_space(__u8 byte)
{
	return byte == ' ' || byte == '\t';
}

static __always_inline void trace_forget(struct http_stream *stream)
{
	stream->traces = 0;
	stream->traced = 0;
	stream->trace_open = 0;
	stream->trace_length = 0;
}

/* The value begins at a position. */
static __always_inline void trace_begin(struct http_frame *frame, __u32 position)
{
	struct http_stream *stream = frame->stream;

	frame->scratch->trace_from = position;
	if (stream->traces < 2)
		stream->traces++;
	stream->trace_open = 1;
	stream->trace_length = 0;
}

/* White space before a value, and how much of it is passed over in one piece. */
#define TRACE_SPACES 4

#define TRACE_COPY(to, from)                                       \
	for (int word_ = 0; word_ < HTTP_TRACE_BYTES / 8; word_++) \
	((__u64 *)(to))[word_] = ((const __u64 *)(from))[word_]

/* Keeps the part of the value in the window that ends before a position. */
static __always_inline void trace_part(struct http_frame *frame, __u32 to)
{
	struct http_scratch *scratch = frame->scratch;
	struct http_stream *stream = frame->stream;
	__u32 from = scratch->trace_from, length = stream->trace_length;

	scratch->trace_from = to;
	if (from < scratch->window_from || length > HTTP_TRACE_BYTES)
		return;
	from -= scratch->window_from;
	to -= scratch->window_from;
	for (int i = 0; !length && i < TRACE_SPACES; i++)
		if (from < to && is_space(scratch->window[from & (HTTP_WINDOW - 1)]))
			from++;
	if (from >= to)
		return;
	/* Behind what there is already; copies of a constant length, of which not all counts. */
	TRACE_COPY(scratch->trace, stream->trace);
	asm volatile("" : "+r"(length));
	if (length > HTTP_TRACE_BYTES)
		return;
	TRACE_COPY(scratch->trace + length, &scratch->window[from & (HTTP_WINDOW - 1)]);
	TRACE_COPY(stream->trace, scratch->trace);
	length += to - from;
	stream->trace_length = length <= HTTP_TRACE_BYTES ? length : HTTP_TRACE_BYTES + 1;
}

/* The value goes on in another window. */
SUBPROGRAM int trace_keep(struct http_frame *frame)
{
	trace_part(frame, frame->scratch->window_to);
	return 0;
}

#define TRACE_WORD(stream, at) (*(const __u64 *)&(stream)->trace[at])
#define EACH_BYTE(byte)	       ((byte)*0x0101010101010101ULL)

/* Eight lower-case hex digits. */
static __always_inline bool hex_word(__u64 word)
{
	__u64 digit = (word + EACH_BYTE(0x80 - '0')) & ~(word + EACH_BYTE(0x7f - '9'));
	__u64 letter = (word + EACH_BYTE(0x80 - 'a')) & ~(word + EACH_BYTE(0x7f - 'f'));

	return ((digit | letter) & ~word & EACH_BYTE(0x80ULL)) == EACH_BYTE(0x80ULL);
}

/* The four bytes that eight hex digits stand for. */
static __always_inline __u32 hex_bytes(__u64 word)
{
	word = (word & EACH_BYTE(0x0fULL)) + (word >> 6 & EACH_BYTE(0x01ULL)) * 9;
	word = (word << 4 | word >> 8) & 0x00ff00ff00ff00ffULL;
	word = (word | word >> 8) & 0x0000ffff0000ffffULL;
	return word | word >> 16;
}

#define ZERO_DIGITS EACH_BYTE((__u64)'0')

/* Whether what was kept is a valid traceparent. */
static __always_inline bool trace_valid(const struct http_stream *stream)
{
	const __u8 *text = stream->trace;
	__u64 ends, id, parent;
	__u32 length = stream->trace_length;

	if (length < TRACE_VALUE_BYTES)
		return false;
	if (text[2] != '-' || text[35] != '-' || text[52] != '-')
		return false;
	/* The version and the flags, as one word of digits. */
	ends = (ZERO_DIGITS & 0xffffffff00000000ULL) | text[0] | (__u64)text[1] << 8 |
	       (__u64)text[TRACE_FLAGS_AT] << 16 | (__u64)text[TRACE_FLAGS_AT + 1] << 24;
	if (!hex_word(ends) || (text[0] == 'f' && text[1] == 'f'))
		return false;
	for (int i = 0; i < 4; i++)
		if (!hex_word(TRACE_WORD(stream, TRACE_ID_AT + i * 8)))
			return false;
	if (!hex_word(TRACE_WORD(stream, TRACE_PARENT_AT)) ||
	    !hex_word(TRACE_WORD(stream, TRACE_PARENT_AT + 8)))
		return false;
	id = (TRACE_WORD(stream, TRACE_ID_AT) ^ ZERO_DIGITS) |
	     (TRACE_WORD(stream, TRACE_ID_AT + 8) ^ ZERO_DIGITS) |
	     (TRACE_WORD(stream, TRACE_ID_AT + 16) ^ ZERO_DIGITS) |
	     (TRACE_WORD(stream, TRACE_ID_AT + 24) ^ ZERO_DIGITS);
	parent = (TRACE_WORD(stream, TRACE_PARENT_AT) ^ ZERO_DIGITS) |
		 (TRACE_WORD(stream, TRACE_PARENT_AT + 8) ^ ZERO_DIGITS);
	if (!id || !parent)
		return false;
	/* Later versions may go on behind a dash. */
	if (length > TRACE_VALUE_BYTES && text[TRACE_VALUE_BYTES] == '-' &&
	    (text[0] != '0' || text[1] != '0'))
		return true;
	if (length > HTTP_TRACE_BYTES)
		return false;
	for (__u32 i = TRACE_VALUE_BYTES; i < HTTP_TRACE_BYTES; i++)
		if (i < length && !is_space(text[i]) && text[i] != '\r')
			return false;
	return true;
}

/*
 * The line ends at a position; what was kept goes up to its CR, which may have come earlier. Of a
 * valid value ids and flags take its place, as struct flow_detail has them. Several tell of none.
 */
SUBPROGRAM int trace_end(struct http_frame *frame, __u32 position)
{
	struct http_stream *stream = frame->stream;
	__u32 *into = (__u32 *)stream->trace;

	trace_part(frame, position);
	frame->scratch->trace_from = HTTP_NOWHERE;
	stream->trace_open = 0;
	stream->traced = stream->traces == 1 && trace_valid(stream);
	if (!stream->traced)
		return 0;
	/* Digits are read before anything lies over them. */
	for (int i = 0; i < 4; i++)
		into[i] = hex_bytes(TRACE_WORD(stream, TRACE_ID_AT + i * 8));
	for (int i = 0; i < 2; i++)
		into[4 + i] = hex_bytes(TRACE_WORD(stream, TRACE_PARENT_AT + i * 8));
	/* One byte, and padding. */
	into[6] = hex_bytes(ZERO_DIGITS << 16 | stream->trace[TRACE_FLAGS_AT] |
			    (__u64)stream->trace[TRACE_FLAGS_AT + 1] << 8);
	return 0;
}

static __always_inline void trace_fill(struct flow_detail *detail, const struct http_stream *stream)
{
	__builtin_memcpy(detail->trace_id, stream->trace,
			 sizeof(*detail) - __builtin_offsetof(struct flow_detail, trace_id));
}

#endif
