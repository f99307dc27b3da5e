// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_HEAD_MEMO_H
#define PERIGEE_LIB_HEAD_MEMO_H

#include "lib/head-text.h"

/*
 * Clients repeat themselves. What a head comes to follows from its bytes and the table alone, so
 * one that was allowed is kept with what it came to, and the same bytes under the same table are
 * compared instead of read. Nothing that is refused, and nothing that reaches beyond a window or a
 * segment, is ever kept.
 */

#define MEMO_CHUNK 32 /* bytes compared at once; shorter heads are read */

#define MEMO_MIX 0x9e3779b97f4a7c15ULL

/* Of the first bytes of a head: tells which place it has, not what it is. */
static __always_inline __u32 memo_tag(const struct http_scratch *scratch, __u32 at)
{
	__u64 mixed = WINDOW_WORD(scratch, at);

	mixed = mixed * MEMO_MIX ^ WINDOW_WORD(scratch, at + 8);
	mixed = mixed * MEMO_MIX ^ WINDOW_WORD(scratch, at + 16);
	mixed = mixed * MEMO_MIX ^ WINDOW_WORD(scratch, at + 24);
	return (mixed * MEMO_MIX) >> 32;
}

static __always_inline struct head_memo *memo_of(struct http_scratch *scratch)
{
	return &scratch->memos[scratch->head_tag & (HEAD_MEMOS - 1)];
}

static __always_inline bool chunk_equals(const struct http_scratch *scratch, __u32 at,
					 const struct head_memo *memo, __u32 from)
{
	const __u64 *here = (const __u64 *)&scratch->window[at & (HTTP_WINDOW - 1)];
	const __u64 *kept = (const __u64 *)&memo->bytes[from & (MEMO_BYTES - 1)];

	return !((here[0] ^ kept[0]) | (here[1] ^ kept[1]) | (here[2] ^ kept[2]) |
		 (here[3] ^ kept[3]));
}

/* Whether the head that is kept stands in the window at `at`. */
static __always_inline bool memo_equals(const struct http_scratch *scratch, __u32 at,
					const struct head_memo *memo)
{
	__u32 length = memo->length, last = length - MEMO_CHUNK;

	for (__u32 from = 0; from < MEMO_BYTES; from += MEMO_CHUNK) {
		if (from >= last)
			break;
		if (!chunk_equals(scratch, at + from, memo, from))
			return false;
	}
	return chunk_equals(scratch, at + last, memo, last);
}

/*
 * Before the first byte of a head that is in the window. True: it is known, was allowed, and all is
 * as if it had been read.
 */
SUBPROGRAM int head_known(struct http_frame *frame)
{
	struct http_scratch *scratch = frame->scratch;
	struct http_reader *reader = frame->reader;
	struct http_stream *stream = frame->stream;
	__u32 at = scratch->position - scratch->window_from;
	struct head_memo *memo;

	scratch->head_tag = memo_tag(scratch, at);
	memo = memo_of(scratch);
	if (memo->tag != scratch->head_tag || !memo->length ||
	    memo->length > scratch->window_to - scratch->position)
		return 0;
	if (memo->reader.table != reader->table || memo->reader.serial != reader->serial)
		return 0;
	if (!memo_equals(scratch, at, memo))
		return 0;
	memo->missed = 0;
	*reader = memo->reader;
	scratch->position += memo->length;
	scratch->allowed = 1;
	scratch->rule = memo->rule;
	scratch->audited = memo->audited;
	line_keep(frame);
	host_copy(stream, scratch, at + memo->host_at, memo->host_length);
	return 1;
}

/* So many heads with the beginning of one that is kept are other ones, until it is given up. */
#define MEMO_PATIENCE 64

/*
 * Behind the last byte of a head that was allowed. It's kept when its beginning comes for the
 * second time, so that what never repeats costs no copy. A trace differs each time, and is read.
 */
SUBPROGRAM int head_learn(struct http_frame *frame)
{
	struct http_scratch *scratch = frame->scratch;
	struct http_reader *reader = frame->reader;
	__u32 from = scratch->head_from, length = reader->head_bytes;
	struct head_memo *memo = memo_of(scratch);

	if (from == HTTP_NOWHERE || from < scratch->window_from || frame->stream->traces ||
	    length < MEMO_CHUNK || length > MEMO_BYTES)
		return 0;
	if (memo->tag != scratch->head_tag) {
		memo->tag = scratch->head_tag;
		memo->length = 0;
		return 0;
	}
	if (memo->length && ++memo->missed < MEMO_PATIENCE)
		return 0;
	memo->missed = 0;
	from -= scratch->window_from;
	for (__u32 i = 0; i < MEMO_BYTES; i += 8) {
		if (i >= length)
			break;
		*(__u64 *)&memo->bytes[i] = WINDOW_WORD(scratch, from + i);
	}
	memo->reader = *reader;
	memo->rule = scratch->rule;
	memo->audited = scratch->audited;
	memo->host_at = scratch->host_at - from;
	memo->host_length = frame->stream->host_length;
	memo->length = length;
	return 0;
}

#endif
