// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_TABLES_H
#define PERIGEE_LIB_TABLES_H

#include "lib/kernel.h"
#include "abi/http.h"

/*
 * The automata of core/automaton as the kernel finds them: the same bytes that
 * the proxy runs, laid out in docs/design/automaton.md. User space has checked
 * every index of a table before it came here; the masks below are for the
 * verifier, and for a table that is overwritten while a slow reader is still in
 * it.
 */

/* All tables of the node, at offsets that user space hands out. */
struct table_pool {
	__u8 bytes[TABLE_POOL_BYTES];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct table_pool);
	MAP_PINNED;
} tables SEC(".maps");

#define POOL_MASK(size) (TABLE_POOL_BYTES - (size))

static __always_inline __u8 *tables_get(void)
{
	__u32 zero = 0;
	struct table_pool *pool = bpf_map_lookup_elem(&tables, &zero);

	return pool ? pool->bytes : NULL;
}

#define POOL8(pool, at)	 ((pool)[(at)&POOL_MASK(1)])
#define POOL16(pool, at) (*(__u16 *)((pool) + ((at)&POOL_MASK(2))))
#define POOL32(pool, at) (*(__u32 *)((pool) + ((at)&POOL_MASK(4))))
#define POOL64(pool, at) (*(__u64 *)((pool) + ((at)&POOL_MASK(8))))

/* Words of a table's header: HeaderWord in core/automaton/format.ts. */
enum {
	TABLE_SHIFT = 6,
	TABLE_START = 7,
	TABLE_SKIP = 8,
	TABLE_REGISTERS = 9,
	TABLE_TARGET_REGISTERS = 10,
	TABLE_PATH_REGISTERS = 11,
	TABLE_CLASSES_AT = 12,
	TABLE_ACCEPT_AT = 13,
	TABLE_ALIVE_AT = 14,
	TABLE_ACTIONS_AT = 15,
	TABLE_REGISTERS_AT = 17,
	TABLE_SETS_AT = 18,
	TABLE_DECISION_AT = 20,
	TABLE_DECISION_ROOT = 22,
	TABLE_VERDICTS_AT = 23,
	TABLE_NEXT_AT = 25,
	TABLE_AUDIT_ROOT = 26,
	TABLE_SERIAL = 31, /* given by the pool: changes with the bytes at this offset */
};

#define TABLE_WORD(pool, table, word) POOL32(pool, (table) + (word)*4)

/* Op, Flag and Reject of core/automaton/format.ts and core/http/reasons.ts. */
enum {
	OP_REJECT = 0,
	OP_STEP = 1,
	OP_VALUE = 2,
	OP_EMPTY = 3,
	OP_HEADER = 4,
	OP_SKIP = 5,
	OP_DIGIT = 6,
	OP_LINE = 7,
	OP_END = 8,
	OP_SET = 9,
	OP_LANES = 10,
};

enum {
	FLAG_HTTP10 = 1 << 0,
	FLAG_METHOD = 1 << 1,
	FLAG_PATH = 1 << 2,
	FLAG_TARGET = 1 << 3,
	FLAG_HEAD_METHOD = 1 << 4,
	FLAG_CONNECT_METHOD = 1 << 5,
	FLAG_HOST = 1 << 6,
	FLAG_LENGTH = 1 << 7,
	FLAG_TRANSFER_ENCODING = 1 << 8,
	FLAG_CLOSE = 1 << 9,
	FLAG_KEEP_ALIVE = 1 << 10,
	FLAG_UPGRADE = 1 << 13,
};

enum {
	REJECT_NONE = 0,
	REJECT_HTTP2 = 5,
	REJECT_LENGTH_TOO_LARGE = 25,
	REJECT_LENGTH_AND_ENCODING = 29,
	REJECT_ENCODING_IN_HTTP10 = 30,
	REJECT_MISSING_HOST = 31,
	REJECT_HOST_MISMATCH = 34,
	REJECT_BODY_ON_CONNECT = 39,
	REJECT_HEAD_TOO_LARGE = 40,
	REJECT_TOO_MANY_HEADERS = 41,
	REJECT_BAD_CHUNK_SIZE = 43,
	REJECT_CHUNK_SIZE_TOO_LARGE = 44,
	REJECT_CHUNK_EXTENSION = 45,
	REJECT_BAD_CHUNK_END = 46,
	REJECT_FORBIDDEN_TRAILER = 48,
	REJECT_BARE_LF = 6,
	REJECT_BARE_CR = 7,
};

#define HEADER_HOST	    1
#define HEADER_TRACE_PARENT 11
#define TABLE_ACTION_BIT    0x8000
#define TABLE_NO_AUDIT	    0xffffffffU
#define TABLE_FINAL_BIT	    0x80000000U
#define TABLE_CAN_ALLOW_BIT 0x100
#define TABLE_ACTION_SHIFT  4 /* log2 of the bytes of an action, and of a register */
#define LENGTH_BOUND	    900719925474098ULL /* one more digit could pass 2^53 - 1 */

enum head_status {
	HEAD_MORE = 0,
	HEAD_DONE = 1,
	HEAD_REJECTED = 2,
};

#endif
