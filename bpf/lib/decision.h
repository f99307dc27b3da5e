// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_DECISION_H
#define PERIGEE_LIB_DECISION_H

#include "lib/automaton.h"

/* What the registers of a request's head come to, at its end and before. */

/* Walks a decision diagram over the registers below `known`. */
SUBPROGRAM __u32 decision_follow(struct http_frame *frame, __u32 root, __u32 known)
{
	__u32 table = frame->scratch->table, word = root;
	__u8 *pool = frame->pool;
	__u32 at = table + TABLE_WORD(pool, table, TABLE_DECISION_AT);

	for (int i = 0; i < HTTP_REGISTERS; i++) {
		__u32 number, value;

		if (word >= TABLE_FINAL_BIT)
			break;
		number = POOL32(pool, at + word * 4) & 255;
		if (number >= known)
			break;
		value = frame->reader->registers[number & (HTTP_REGISTERS - 1)];
		word = POOL32(pool, at + (word + 1 + value) * 4);
	}
	return word;
}

/* Rule and action of a final word: action in bit 32. */
static __always_inline __u64 verdict_of(const struct http_frame *frame, __u32 word)
{
	__u32 table = frame->scratch->table;
	__u32 at = TABLE_WORD(frame->pool, table, TABLE_VERDICTS_AT);

	return POOL64(frame->pool, table + at + (word & ~TABLE_FINAL_BIT) * 8);
}

static __always_inline bool word_can_allow(const struct http_frame *frame, __u32 word)
{
	__u32 table = frame->scratch->table;
	__u32 at = TABLE_WORD(frame->pool, table, TABLE_DECISION_AT);

	if (word >= TABLE_FINAL_BIT)
		return verdict_of(frame, word) >> 32 & 1;
	return POOL32(frame->pool, table + at + word * 4) & TABLE_CAN_ALLOW_BIT;
}

/*
 * No continuation of the head can be allowed; `rule` is the one that denies, if that is known.
 * Sound, not complete: open conditions count as met.
 */
SUBPROGRAM int automaton_hopeless(struct http_frame *frame)
{
	struct http_reader *reader = frame->reader;
	__u32 table = frame->scratch->table, method = reader->registers[0], known = 0, word;
	__u8 *pool = frame->pool;
	__u32 alive = TABLE_WORD(pool, table, TABLE_ALIVE_AT);

	if (!(POOL32(pool, table + alive + reader->state * 4) &
	      (1U << (method < 31 ? method : 31))))
		return 1;
	if (reader->flags & FLAG_TARGET)
		known = TABLE_WORD(pool, table, TABLE_TARGET_REGISTERS);
	else if (reader->flags & FLAG_PATH)
		known = TABLE_WORD(pool, table, TABLE_PATH_REGISTERS);
	else if (reader->flags & FLAG_METHOD)
		known = 1 + (TABLE_WORD(pool, table, TABLE_PATH_REGISTERS) > 1 &&
			     reader->registers[1] != 0);
	word = decision_follow(frame, TABLE_WORD(pool, table, TABLE_DECISION_ROOT), known);
	if (word_can_allow(frame, word))
		return 0;
	if (word >= TABLE_FINAL_BIT)
		frame->scratch->rule = verdict_of(frame, word);
	return 1;
}

/*
 * Whether a request line that is cut off here would be allowed as if it ended here, without header
 * lines: careless servers act on it when the connection ends.
 */
SUBPROGRAM int automaton_allows_cut(struct http_frame *frame)
{
	struct http_reader *reader = frame->reader;
	__u32 table = frame->scratch->table, word;
	__u8 *pool = frame->pool;
	bool in_path = (reader->flags & (FLAG_METHOD | FLAG_PATH)) == FLAG_METHOD;
	__u16 kept = reader->registers[1];

	if (!(reader->flags & FLAG_METHOD))
		return 1; /* no target yet: nothing to act on */
	if (in_path && TABLE_WORD(pool, table, TABLE_PATH_REGISTERS) > 1 && !kept)
		reader->registers[1] = accept_of(frame, reader->state);
	word = decision_follow(frame, TABLE_WORD(pool, table, TABLE_DECISION_ROOT), HTTP_REGISTERS);
	reader->registers[1] = kept;
	return word >= TABLE_FINAL_BIT && (verdict_of(frame, word) >> 32 & 1);
}

/* What only the end of a request's head can tell: framing, then the verdict. Returns Reject. */
SUBPROGRAM __u32 request_decide(struct http_frame *frame)
{
	struct http_scratch *scratch = frame->scratch;
	__u32 flags = frame->reader->flags, table = scratch->table, audit;
	__u64 verdict;

	if (flags & (FLAG_LENGTH | FLAG_TRANSFER_ENCODING)) {
		if ((flags & (FLAG_LENGTH | FLAG_TRANSFER_ENCODING)) ==
		    (FLAG_LENGTH | FLAG_TRANSFER_ENCODING))
			return REJECT_LENGTH_AND_ENCODING;
		if (flags & FLAG_CONNECT_METHOD)
			return REJECT_BODY_ON_CONNECT;
		if ((flags & FLAG_TRANSFER_ENCODING) && (flags & FLAG_HTTP10))
			return REJECT_ENCODING_IN_HTTP10;
	}
	if (!(flags & (FLAG_HOST | FLAG_HTTP10)))
		return REJECT_MISSING_HOST;
	verdict = verdict_of(
		frame, decision_follow(frame, TABLE_WORD(frame->pool, table, TABLE_DECISION_ROOT),
				       HTTP_REGISTERS));
	scratch->rule = verdict;
	scratch->allowed = verdict >> 32 & 1;
	scratch->audited = 0;
	audit = TABLE_WORD(frame->pool, table, TABLE_AUDIT_ROOT);
	if (!scratch->allowed || audit == TABLE_NO_AUDIT)
		return REJECT_NONE;
	verdict = verdict_of(frame, decision_follow(frame, audit, HTTP_REGISTERS));
	if (verdict >> 32 & 1)
		return REJECT_NONE;
	scratch->audited = 1;
	scratch->rule = verdict;
	return REJECT_NONE;
}

#endif
