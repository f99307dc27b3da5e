// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_AUTOMATON_H
#define PERIGEE_LIB_AUTOMATON_H

#include "lib/scratch.h"
#include "lib/tables.h"

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

static __always_inline __u64 register_record(const struct http_frame *frame, __u32 number)
{
	__u32 table = frame->scratch->table;
	__u32 at = TABLE_WORD(frame->pool, table, TABLE_REGISTERS_AT);

	return POOL64(frame->pool, table + at + (number << TABLE_ACTION_SHIFT));
}

/* A field seen before: what any of its lines matched is joined. False: it can't repeat and differs.
 */
SUBPROGRAM int register_set(struct http_frame *frame, __u32 number, __u32 value)
{
	__u16 *slot = &frame->reader->registers[number & (HTTP_REGISTERS - 1)];
	__u32 old = *slot, table = frame->scratch->table, sets, a, b;
	__u8 *pool = frame->pool;
	__u64 record, indices;
	__u32 records;

	if (!old) {
		*slot = value;
		return 1;
	}
	record = register_record(frame, number);
	if (!(record >> 32 & 0xffff))
		return old == value;
	records = table + TABLE_WORD(pool, table, TABLE_REGISTERS_AT);
	indices = POOL64(pool, records + (number << TABLE_ACTION_SHIFT) + 8);
	sets = table + TABLE_WORD(pool, table, TABLE_SETS_AT);
	a = POOL16(pool, sets + ((__u32)indices + old) * 2);
	b = POOL16(pool, sets + ((__u32)indices + value) * 2);
	*slot = (__u16)(record >> 32) +
		POOL16(pool, sets + ((__u32)(indices >> 32) + a * (__u32)(record >> 48) + b) * 2);
	return 1;
}

static __always_inline __u32 accept_of(const struct http_frame *frame, __u32 state)
{
	__u32 table = frame->scratch->table;
	__u32 at = TABLE_WORD(frame->pool, table, TABLE_ACCEPT_AT);

	return POOL16(frame->pool, table + at + state * 2);
}

/* Moves the lanes of the open field over AUTOMATON_STEPS bytes of the window. */
struct lane_run {
	struct http_frame *frame;
	__u32 from, to; /* indices in the window */
};

static long lane_block(__u32 index, struct lane_run *run)
{
	struct http_scratch *scratch = run->frame->scratch;
	__u8 *pool = run->frame->pool;
	struct http_reader *reader = run->frame->reader;
	__u32 at = run->from + (index >> 2) * AUTOMATON_STEPS, to = run->to;
	__u32 state = reader->lanes[index & (HTTP_LANES - 1)];

	if (at >= to)
		return 1;
	for (int i = 0; i < AUTOMATON_STEPS; i++) {
		__u32 class;

		if (at >= to)
			break;
		class = POOL8(pool, scratch->classes + scratch->window[at & (HTTP_WINDOW - 1)]);
		state = POOL16(pool, scratch->next + (((state << scratch->shift) | class) << 1));
		at++;
	}
	reader->lanes[index & (HTTP_LANES - 1)] = state;
	return 0;
}

/* Lets the lanes read on to a position of the window. */
SUBPROGRAM int lanes_run(struct http_frame *frame, __u32 position)
{
	struct http_scratch *scratch = frame->scratch;
	__u32 from = scratch->lanes_from;
	struct lane_run run = { .frame = frame };

	if (from == HTTP_NOWHERE || from < scratch->window_from)
		from = scratch->window_from;
	run.from = from - scratch->window_from;
	run.to = position - scratch->window_from;
	scratch->lanes_from = position;
	bpf_loop(HTTP_WINDOW / AUTOMATON_STEPS * HTTP_LANES, lane_block, &run, 0);
	return 0;
}

static __always_inline void lanes_begin(struct http_frame *frame, __u32 field, __u32 position)
{
	frame->reader->open = field;
	frame->scratch->lanes_from = position;
	for (int lane = 0; lane < HTTP_LANES; lane++)
		frame->reader->lanes[lane] = register_record(frame, field + 1 + lane) >> 16;
}

/* The further lanes of a register's field end. */
SUBPROGRAM int lanes_end(struct http_frame *frame, __u32 number)
{
	__u32 lanes = register_record(frame, number) & 0xffff;
	int agree = 1;

	for (__u32 lane = 0; lane < HTTP_LANES; lane++) {
		if (lane >= lanes)
			break;
		agree &= register_set(frame, number + 1 + lane,
				      accept_of(frame, frame->reader->lanes[lane]));
	}
	frame->reader->open = 0;
	return agree;
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

/* Copies a constant number of bytes, whatever of them counts: cheaper than a helper for the exact
 * number. */
#define WINDOW_COPY(to, scratch, at, size) \
	__builtin_memcpy(to, &(scratch)->window[(at) & (HTTP_WINDOW - 1)], size)

/* Keeps method and path for the record, if the head began in this window. */
static __always_inline void line_keep(struct http_frame *frame)
{
	struct http_scratch *scratch = frame->scratch;
	struct http_stream *stream = frame->stream;
	__u32 from = scratch->head_from, method = frame->reader->method_end, path;

	stream->method_length = 0;
	stream->text_length = 0;
	stream->host_length = 0;
	if (from == HTTP_NOWHERE || from < scratch->window_from || method > HTTP_METHOD_BYTES)
		return;
	from -= scratch->window_from;
	path = frame->reader->path_end - method - 1;
	if (path > HTTP_PATH_BYTES)
		path = HTTP_PATH_BYTES;
	WINDOW_COPY(stream->text, scratch, from, HTTP_METHOD_BYTES + 1);
	WINDOW_COPY(stream->text + (method & HTTP_METHOD_BYTES), scratch, from + method + 1,
		    HTTP_PATH_BYTES);
	stream->method_length = method;
	stream->text_length = method + path;
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
	WINDOW_COPY(frame->stream->host, scratch, from, HTTP_HOST_BYTES);
	frame->stream->host_length = to - from;
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

/*
 * Carries out the action of the byte at `position`. The reader's state and head_bytes are as before
 * that byte; afterwards it has been consumed.
 */
SUBPROGRAM int head_act(struct http_frame *frame, __u32 action, __u32 position)
{
	struct http_scratch *scratch = frame->scratch;
	struct http_reader *reader = frame->reader;
	__u32 base = scratch->actions + (action << TABLE_ACTION_SHIFT);
	__u64 low = POOL64(frame->pool, base), high = POOL64(frame->pool, base + 8);
	__u32 op = low & 255, number = low >> 8 & 255, open = low >> 16 & 255, id = low >> 24 & 255;
	__u32 flags = high, reject = low >> 48;

	if (reject && (op == OP_REJECT || (reader->flags & flags))) {
		scratch->rejected = reject;
		return HEAD_REJECTED;
	}
	switch (op) {
	case OP_VALUE:
		if (reader->open) {
			lanes_run(frame, position);
			if (!lanes_end(frame, number))
				reject = REJECT_HOST_MISMATCH;
			else
				reject = 0;
		} else {
			reject = 0;
		}
		if (!register_set(frame, number, accept_of(frame, reader->state)) || reject) {
			scratch->rejected = REJECT_HOST_MISMATCH;
			return HEAD_REJECTED;
		}
		break;
	case OP_EMPTY:
		for (__u32 lane = 0; lane <= HTTP_LANES; lane++) {
			if (lane > (register_record(frame, number) & 0xffff))
				break;
			register_set(frame, number + lane,
				     accept_of(frame, register_record(frame, number + lane) >> 16 &
							      0xffff));
		}
		break;
	case OP_HEADER:
		if (id == HEADER_HOST)
			scratch->host_from = position + 1;
		break;
	case OP_SET:
		register_set(frame, number, high >> 32);
		break;
	case OP_LANES:
		lanes_run(frame, position);
		lanes_end(frame, number);
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
		if (++reader->lines > HTTP_HEADER_LINES + 1) {
			scratch->rejected = REJECT_TOO_MANY_HEADERS;
			return HEAD_REJECTED;
		}
		break;
	case OP_END:
		return HEAD_DONE;
	}
	if (flags)
		head_mark(frame, flags, reader->head_bytes);
	if (flags & FLAG_PATH)
		line_keep(frame);
	if (open)
		lanes_begin(frame, open, position + 1);
	reader->state = low >> 32 & 0xffff;
	return HEAD_MORE;
}

/* Bit 7 of each byte that a header value can't hold without being looked at: below 0x20, or 0x7f.
 */
static __always_inline __u64 control_bytes(__u64 word)
{
	__u64 del = word ^ 0x7f7f7f7f7f7f7f7fULL;

	return (((word - 0x2020202020202020ULL) & ~word) | ((del - 0x0101010101010101ULL) & ~del)) &
	       0x8080808080808080ULL;
}

/* Skips the bytes of a value that nothing reads, eight at a time; the state stays what it is. */
static __always_inline __u32 skip_value(const struct http_scratch *scratch, __u32 at, __u32 to)
{
	for (int i = 0; i < AUTOMATON_STEPS; i++) {
		__u64 found;

		if (at >= to)
			return to;
		found = control_bytes(*(__u64 *)&scratch->window[at & (HTTP_WINDOW - 1)]);
		if (found) {
			/* The lowest one counts: its bit moved to bit 0 of its byte picks its
			 * number. */
			at += (((found & -found) >> 7) * 0x0001020304050607ULL) >> 56;
			return at < to ? at : to;
		}
		at += 8;
	}
	return at < to ? at : to;
}

/* One turn: skips, or steps until an action. Advances `position`. Returns enum head_status. */
SUBPROGRAM int head_block(struct http_frame *frame)
{
	struct http_scratch *scratch = frame->scratch;
	struct http_reader *reader = frame->reader;
	__u8 *pool = frame->pool;
	__u32 from = scratch->position - scratch->window_from;
	__u32 to = scratch->window_to - scratch->window_from;
	__u32 at = from, state = reader->state, entry = 0;
	int status = HEAD_MORE;

	if (to - from > HTTP_HEAD_BYTES - reader->head_bytes)
		to = from + HTTP_HEAD_BYTES - reader->head_bytes;
	if (state == scratch->skip)
		at = skip_value(scratch, at, to);
	for (int i = 0; i < AUTOMATON_STEPS; i++) {
		__u32 class;

		if (at >= to)
			break;
		class = POOL8(pool, scratch->classes + scratch->window[at & (HTTP_WINDOW - 1)]);
		entry = POOL16(pool, scratch->next + (((state << scratch->shift) | class) << 1));
		if (entry & TABLE_ACTION_BIT)
			break;
		state = entry;
		at++;
	}
	reader->state = state;
	reader->head_bytes += at - from;
	if (entry & TABLE_ACTION_BIT) {
		status = head_act(frame, entry & ~TABLE_ACTION_BIT, scratch->window_from + at);
		if (status == HEAD_REJECTED)
			return status;
		at++;
		reader->head_bytes++;
	}
	scratch->position = scratch->window_from + at;
	if (status == HEAD_MORE && reader->head_bytes >= HTTP_HEAD_BYTES) {
		scratch->rejected = REJECT_HEAD_TOO_LARGE;
		return HEAD_REJECTED;
	}
	return status;
}

#endif
