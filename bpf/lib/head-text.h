// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_HEAD_TEXT_H
#define PERIGEE_LIB_HEAD_TEXT_H

#include "lib/scratch.h"

/* What of a head is kept for its record: method, path and host, one behind the other. */

/*
 * Copies a constant number of bytes, whatever of them counts: cheaper than a helper for the exact
 * number.
 */
#define WINDOW_COPY(to, scratch, at, size) \
	__builtin_memcpy(to, &(scratch)->window[(at) & (HTTP_WINDOW - 1)], size)

/* Most paths are short: those cost less. */
#define SHORT_METHOD_BYTES 8
#define SHORT_PATH_BYTES   32

/* Keeps method and path, if the head began in this window. */
static __always_inline void line_keep(struct http_frame *frame)
{
	struct http_scratch *scratch = frame->scratch;
	struct http_stream *stream = frame->stream;
	__u32 from = scratch->head_from, method = frame->reader->method_end, path;
	__u8 *text = stream->text;

	if (from == HTTP_NOWHERE || from < scratch->window_from || method > HTTP_METHOD_BYTES)
		return;
	from -= scratch->window_from;
	path = frame->reader->path_end - method - 1;
	if (path > HTTP_PATH_BYTES)
		path = HTTP_PATH_BYTES;
	if (method <= SHORT_METHOD_BYTES)
		WINDOW_COPY(text, scratch, from, SHORT_METHOD_BYTES);
	else
		WINDOW_COPY(text, scratch, from, HTTP_METHOD_BYTES + 1);
	text += method & HTTP_METHOD_BYTES;
	if (path <= SHORT_PATH_BYTES)
		WINDOW_COPY(text, scratch, from + method + 1, SHORT_PATH_BYTES);
	else
		WINDOW_COPY(text, scratch, from + method + 1, HTTP_PATH_BYTES);
	stream->method_length = method;
	stream->text_length = method + path;
}

/* Keeps a value of Host behind method and path. */
static __always_inline void host_copy(struct http_stream *stream,
				      const struct http_scratch *scratch, __u32 at, __u32 length)
{
	WINDOW_COPY(stream->text + (stream->text_length & (HTTP_TEXT_BYTES - 1)), scratch, at,
		    HTTP_HOST_BYTES);
	stream->host_length = length;
}

/* Keeps the value of Host that ended before `to`, likewise. */
static __always_inline void host_keep(struct http_frame *frame, __u32 to)
{
	struct http_scratch *scratch = frame->scratch;
	__u32 from = scratch->host_from;

	scratch->host_from = HTTP_NOWHERE;
	if (from < scratch->window_from || to <= from)
		return;
	from -= scratch->window_from;
	if (scratch->window[from & (HTTP_WINDOW - 1)] == ' ')
		from++;
	to -= scratch->window_from;
	if (to - from > HTTP_HOST_BYTES - 1)
		to = from + HTTP_HOST_BYTES - 1;
	scratch->host_at = from;
	host_copy(frame->stream, scratch, from, to - from);
}

#endif
