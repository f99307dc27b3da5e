// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_AUTOMATON_H
#define PERIGEE_LIB_AUTOMATON_H

#include "lib/head-text.h"
#include "lib/registers.h"
#include "lib/skip.h"
#include "lib/trace.h"

/* Runs the tables of core/automaton over HTTP heads, as head-machine.ts does. */

/* Prepares to read with the reader's table. */
static __always_inline void automaton_use(struct http_frame *frame)
{
	struct http_scratch *scratch = frame->scratch;
	__u32 table = frame->reader->table;
	__u8 *pool = frame->pool;

	scratch->table = table;
	scratch->shift = TABLE_WORD(pool, table, TABLE_SHIFT) & 15;
	scratch->skip = TABLE_WORD(pool, table, TABLE_SKIP);
	scratch->classes = table + TABLE_WORD(pool, table, TABLE_CLASSES_AT);
	scratch->next = table + TABLE_WORD(pool, table, TABLE_NEXT_AT);
	scratch->actions = table + TABLE_WORD(pool, table, TABLE_ACTIONS_AT);
}

/* The reader is before the first byte of a head. */
static __always_inline void automaton_begin(struct http_reader *reader, __u8 *pool)
{
	reader->serial = TABLE_WORD(pool, reader->table, TABLE_SERIAL);
	reader->state = TABLE_WORD(pool, reader->table, TABLE_START);
	reader->remaining = 0;
	reader->length = 0;
	reader->flags = 0;
	reader->head_bytes = 0;
	reader->status = 0;
	reader->lines = 0;
	reader->phase = HTTP_HEAD;
	reader->chunk = 0;
	reader->open = 0;
	__builtin_memset(reader->registers, 0, sizeof(reader->registers));
}

static __always_inline void head_mark(struct http_frame *frame, __u32 flags, __u32 at)
{
	struct http_reader *reader = frame->reader;
	__u16 position = at < 65535 ? at : 65535;

	reader->flags |= flags;
	if (flags & FLAG_METHOD)
		reader->method_end = position;
	if (flags & FLAG_PATH)
		reader->path_end = position;
	if (flags & FLAG_TARGET)
		reader->target_end = position;
}

static __always_inline int head_digit(struct http_reader *reader, __u32 digit, __u32 id)
{
	if (id == 1) {
		reader->status = reader->status * 10 + digit;
		return 1;
	}
	if (reader->length > LENGTH_BOUND)
		return 0;
	reader->length = reader->length * 10 + digit;
	return 1;
}

/* A field ends before `position`: its class, and those of its further lanes. Returns Reject. */
static __always_inline __u32 field_end(struct http_frame *frame, __u32 number, __u32 class,
				       __u32 position)
{
	int agree = 1;

	if (frame->reader->open) {
		lanes_run(frame, position);
		agree = lanes_end(frame, number);
	}
	return register_set(frame, number, class) && agree ? REJECT_NONE : REJECT_HOST_MISMATCH;
}

/* A field that is there and has no value. */
static __always_inline void field_empty(struct http_frame *frame, __u32 number)
{
	for (__u32 lane = 0; lane <= HTTP_LANES; lane++) {
		if (lane > (register_record(frame, number) & 0xffff))
			break;
		register_set(
			frame, number + lane,
			accept_of(frame, register_record(frame, number + lane) >> 16 & 0xffff));
	}
}

/* Method and path end here. */
SUBPROGRAM int head_line_kept(struct http_frame *frame)
{
	line_keep(frame);
	return 0;
}

/*
 * Carries out an action for the byte at `at` of the window; `state` is the one before that byte.
 * Returns enum head_status.
 */
SUBPROGRAM int head_act(struct http_frame *frame, __u64 low, __u64 high, __u32 state, __u32 at)
{
	struct http_scratch *scratch = frame->scratch;
	struct http_reader *reader = frame->reader;
	__u32 op = low & 255, number = low >> 8 & 255, open = low >> 16 & 255, id = low >> 24 & 255;
	__u32 flags = high, reject = low >> 48, position = scratch->window_from + at;
	__u16 *slot = &reader->registers[number & (HTTP_REGISTERS - 1)];

	if (reject && (op == OP_REJECT || (reader->flags & flags))) {
		scratch->rejected = reject;
		return HEAD_REJECTED;
	}
	switch (op) {
	case OP_STEP:
	case OP_SKIP:
		if (id == HEADER_TRACE_PARENT)
			trace_begin(frame, position + 1);
		break;
	case OP_VALUE:
		if (!reader->open && !*slot) {
			*slot = accept_of(frame, state);
			break;
		}
		reject = field_end(frame, number, accept_of(frame, state), position);
		if (reject) {
			scratch->rejected = reject;
			return HEAD_REJECTED;
		}
		break;
	case OP_HEADER:
		if (id == HEADER_HOST)
			scratch->host_from = position + 1;
		break;
	case OP_SET:
		if (!*slot)
			*slot = high >> 32;
		else
			register_set(frame, number, high >> 32);
		break;
	case OP_DIGIT:
		if (!head_digit(reader, number, id)) {
			scratch->rejected = REJECT_LENGTH_TOO_LARGE;
			return HEAD_REJECTED;
		}
		break;
	case OP_LINE:
		if (scratch->host_from != HTTP_NOWHERE)
			host_keep(frame, position - 1);
		if (scratch->trace_from != HTTP_NOWHERE)
			trace_end(frame, position);
		if (++reader->lines > HTTP_HEADER_LINES + 1) {
			scratch->rejected = REJECT_TOO_MANY_HEADERS;
			return HEAD_REJECTED;
		}
		break;
	case OP_END:
		return HEAD_DONE;
	case OP_EMPTY:
		field_empty(frame, number);
		break;
	case OP_LANES:
		lanes_run(frame, position);
		lanes_end(frame, number);
		break;
	}
	if (flags)
		head_mark(frame, flags, scratch->head_base + at);
	if (flags & FLAG_PATH)
		head_line_kept(frame);
	if (open)
		lanes_begin(frame, open, position + 1);
	return HEAD_MORE;
}

/*
 * The same number, of which the verifier knows nothing: else it walks what follows anew for each
 * turn of a loop that the number may come out of.
 */
static __always_inline __u32 number_of_any(struct http_scratch *scratch, __u32 number)
{
	*(volatile __u32 *)&scratch->number_of_any = number;
	return *(volatile __u32 *)&scratch->number_of_any;
}

/* What makes an action more than its op and the next state: field, reject, flags. */
#define ACTION_EXTRA 0xffff0000ffffff00ULL

/* The actions that most lines are made of. False: it isn't one. */
static __always_inline bool head_act_simply(struct http_scratch *scratch,
					    struct http_reader *reader, __u64 low, __u64 high)
{
	__u32 op = low & 255;

	if ((low & ACTION_EXTRA) || high)
		return false;
	if (op == OP_SKIP)
		return true;
	if (op != OP_LINE || (scratch->host_from & scratch->trace_from) != HTTP_NOWHERE ||
	    reader->lines > HTTP_HEADER_LINES)
		return false;
	reader->lines++;
	return true;
}

/*
 * One byte. What counts is how long the next state takes to follow from this one: the rest is known
 * ahead, and the empty assembly keeps it apart.
 */
#define AUTOMATON_STEP(k)                                 \
	if (room <= (k))                                  \
		goto stepped_##k;                         \
	column = next + ((__u32)classes[bytes[k]] << 1);  \
	asm volatile("" : "+r"(column));                  \
	entry = POOL16(pool, (state << stride) + column); \
	if (entry >= TABLE_ACTION_BIT)                    \
		goto stepped_##k;                         \
	state = entry;

/*
 * Steps over bytes of the window from `at` on. Returns the last transition: an action for the byte
 * at `scratch->at`, whose state is that of `reader`; or not, then `to` or the loop's end came.
 */
static __always_inline __u32 head_step(struct http_frame *frame, __u32 *position, __u32 *states,
				       __u32 to)
{
	struct http_scratch *scratch = frame->scratch;
	__u8 *pool = frame->pool;
	__u32 next = scratch->next, stride = scratch->shift + 1, map = scratch->classes;
	__u32 state = *states, entry = 0, at = *position, column;
	const __u8 *classes;

	if (map > TABLE_POOL_BYTES - 256)
		return 0;
	classes = pool + map;
	for (int i = 0; i < AUTOMATON_STEPS / 8; i++) {
		const __u8 *bytes = &scratch->window[at & (HTTP_WINDOW - 1)];
		__u32 room = to - at;

		AUTOMATON_STEP(0)
		AUTOMATON_STEP(1)
		AUTOMATON_STEP(2)
		AUTOMATON_STEP(3)
		AUTOMATON_STEP(4)
		AUTOMATON_STEP(5)
		AUTOMATON_STEP(6)
		AUTOMATON_STEP(7)
		at += 8;
	}
	goto stepped_0;
stepped_7:
	at++;
stepped_6:
	at++;
stepped_5:
	at++;
stepped_4:
	at++;
stepped_3:
	at++;
stepped_2:
	at++;
stepped_1:
	at++;
stepped_0:
	*states = state;
	*position = at;
	return entry;
}

/*
 * One turn over the window: bytes, and the actions between them. Advances `position`. Returns
 * enum head_status.
 */
SUBPROGRAM int head_block(struct http_frame *frame)
{
	struct http_scratch *scratch = frame->scratch;
	struct http_reader *reader = frame->reader;
	__u8 *pool = frame->pool;
	__u32 from = scratch->position - scratch->window_from;
	__u32 to = scratch->window_to - scratch->window_from;
	__u32 at = from, state = reader->state, before = reader->head_bytes - from;
	int status = HEAD_MORE;

	scratch->head_base = before;
	if (to - from > HTTP_HEAD_BYTES - reader->head_bytes)
		to = from + HTTP_HEAD_BYTES - reader->head_bytes;
	for (int turn = 0; turn < AUTOMATON_TURNS; turn++) {
		__u32 entry;
		__u64 low, high;

		if (state == scratch->skip)
			at = number_of_any(scratch, skip_value(scratch, at, to));
		entry = at < to ? head_step(frame, &at, &state, to) : 0;
		at = number_of_any(scratch, at);
		if (!(entry & TABLE_ACTION_BIT)) {
			if (at >= to)
				break;
			continue;
		}
		entry = scratch->actions + ((entry & ~TABLE_ACTION_BIT) << TABLE_ACTION_SHIFT);
		low = POOL64(pool, entry);
		high = POOL64(pool, entry + 8);
		if (head_act_simply(scratch, reader, low, high)) {
			state = low >> 32 & 0xffff;
			at++;
			continue;
		}
		status = head_act(frame, low, high, state, at);
		if (status == HEAD_REJECTED) {
			reader->head_bytes = before + at;
			return status;
		}
		at++;
		if (status == HEAD_DONE)
			break;
		state = low >> 32 & 0xffff;
	}
	reader->state = state;
	reader->head_bytes = before + at;
	scratch->position = scratch->window_from + at;
	if (status == HEAD_MORE && reader->head_bytes >= HTTP_HEAD_BYTES) {
		scratch->rejected = REJECT_HEAD_TOO_LARGE;
		return HEAD_REJECTED;
	}
	return status;
}

#endif
