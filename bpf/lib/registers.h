// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_REGISTERS_H
#define PERIGEE_LIB_REGISTERS_H

#include "lib/scratch.h"
#include "lib/tables.h"

/* The classes that a head's fields come to: their registers, and the lanes that run beside a field.
 */

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

#endif
