// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_SCRATCH_H
#define PERIGEE_LIB_SCRATCH_H

#include "lib/kernel.h"
#include "abi/http.h"

/* Where a program run keeps what the stack has no room for. */

#define HTTP_WINDOW	1024 /* power of two: bytes of a segment that are looked at at once */
#define AUTOMATON_STEPS 32 /* bytes per turn of the loop over them, until an action */
#define AUTOMATON_TURNS 4 /* of those per block */

/* Whether the bytes of a segment stay what they are. */
enum pages {
	PAGES_UNKNOWN = 0, /* not looked at yet */
	PAGES_OWN = 1,
	PAGES_SHARED = 2, /* somebody can still write to them */
};

#define HEAD_MEMOS 8 /* power of two */
#define MEMO_BYTES 512 /* power of two: longer heads are read each time */

/* A head that was allowed, see head-memo.h. */
struct head_memo {
	__u32 tag; /* of the head that came last, kept or not */
	__u32 length; /* 0: none is kept */
	__u32 rule;
	__u32 audited;
	__u32 host_at; /* position of the value in the head */
	__u32 host_length;
	__u32 missed; /* heads that began so and were others, since it came last */
	__u32 padding;
	struct http_reader reader; /* behind it */
	__u8 bytes[MEMO_BYTES + 32]; /* a comparison may read beyond */
};

/* What one program run works with, one per processor and direction. */
struct http_scratch {
	__u8 window[HTTP_WINDOW + HTTP_PATH_BYTES + 8]; /* copies may read beyond */
	__u32 window_from, window_to; /* what part of the payload it holds */
	__u32 payload; /* offset of the payload in the packet */
	__u32 length; /* of the payload */
	__u32 first; /* sequence number of the payload's first byte */
	int status; /* enum head_status: rejected, or more */
	__u32 position; /* in the payload: everything before has been read */
	__u32 head_from; /* position of the head's first byte, HTTP_NOWHERE: an earlier segment */
	__u32 host_from; /* of the Host value, likewise */
	__u32 host_at; /* index in the window of the one that was kept last */
	__u32 head_tag; /* see memo_tag */
	__u32 trace_from; /* of a traceparent's, what isn't kept yet */
	__u32 scan, head_ends; /* of a response, in the window */
	__u32 lanes_from; /* position up to which the lanes have run */
	__u32 rejected; /* Reject */
	__u32 rule; /* of the verdict */
	__u32 allowed;
	__u32 audited; /* a policy in Audit mode would deny; `rule` is its */
	__u32 heads; /* that ended in this segment */
	__u32 overrun; /* the loop ended before the segment */
	__u32 pages; /* enum pages */
	__u32 answerable; /* a refusal may be answered, as far as the socket goes */
	__u32 head_base; /* what to add to an index of the window to get a position in the head */
	__u32 number_of_any; /* see there */
	__u32 number; /* of this one among the processor's */
	/* The table in use. */
	__u32 table;
	__u32 shift, skip, classes, next, actions;
	__u64 now; /* see scratch_now */
	__u8 trace[2 * HTTP_TRACE_BYTES]; /* where parts of a traceparent are joined */
	struct http_reader saved;
	struct refusal refusal;
	struct head_memo memos[HEAD_MEMOS]; /* from run to run */
};

#define WINDOW_WORD(scratch, at) (*(__u64 *)&(scratch)->window[(at) & (HTTP_WINDOW - 1)])

/* Number of the lowest byte whose bit 7 is set: that bit, moved to bit 0 of its byte, picks it. */
#define LOWEST_BYTE(bits) (((((bits) & -(bits)) >> 7) * 0x0001020304050607ULL) >> 56)

#define HTTP_NOWHERE 0xffffffffU

/*
 * Ingress runs in softirq alone. Egress and sockops run in process context, too, and are
 * interrupted by it, also on the same processor: each run takes a free one of a few.
 */
enum {
	SCRATCH_INGRESS = 0,
	SCRATCH_OTHERS = 1,
	SCRATCH_COUNT = 4, /* scratch_take names each */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCRATCH_COUNT);
	__type(key, __u32);
	__type(value, struct http_scratch);
} scratches SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} scratches_taken SEC(".maps");

static __always_inline struct http_scratch *scratch_ingress(void)
{
	__u32 which = SCRATCH_INGRESS;

	return bpf_map_lookup_elem(&scratches, &which);
}

/* NULL: another run has it. */
static __always_inline struct http_scratch *scratch_claim(__u32 *taken, __u32 which)
{
	struct http_scratch *scratch = bpf_map_lookup_elem(&scratches, &which);

	if (!scratch || (__sync_fetch_and_or(taken, 1U << which) & (1U << which)))
		return NULL;
	scratch->number = which;
	return scratch;
}

/*
 * NULL: all are taken. Runs may be preempted by others, so they end in any order. No loop:
 * before 6.18 the verifier takes one that ends by an atomic's result for endless.
 */
static __always_inline struct http_scratch *scratch_take(void)
{
	__u32 zero = 0, *taken = bpf_map_lookup_elem(&scratches_taken, &zero);
	struct http_scratch *scratch;

	if (!taken)
		return NULL;
	scratch = scratch_claim(taken, SCRATCH_OTHERS);
	if (!scratch)
		scratch = scratch_claim(taken, SCRATCH_OTHERS + 1);
	return scratch ?: scratch_claim(taken, SCRATCH_OTHERS + 2);
}

static __always_inline void scratch_give(const struct http_scratch *scratch)
{
	__u32 zero = 0, *taken = bpf_map_lookup_elem(&scratches_taken, &zero);

	if (taken)
		__sync_fetch_and_and(taken, ~(1U << (scratch->number & 31)));
}

/* The time of this run, ns: the clock is read once, by who asks first. */
static __always_inline __u64 scratch_now(struct http_scratch *scratch)
{
	if (!scratch->now)
		scratch->now = bpf_ktime_get_ns();
	return scratch->now;
}

/* Handed to the callbacks of bpf_loop. */
struct http_frame {
#ifdef HTTP_FROM_MESSAGES /* the bytes are those of a send, not of a segment */
	struct sk_msg_md *message;
#else
	struct __sk_buff *skb;
#endif
	struct bpf_sock *sk;
	__u8 *pool;
	struct http_scratch *scratch;
	struct http_stream *stream;
	struct http_reader *reader;
};

#endif
