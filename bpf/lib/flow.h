// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_FLOW_H
#define PERIGEE_LIB_FLOW_H

#include "lib/address.h"

/*
 * Two rings, so that a load of allowed traffic can't push out the denials. A
 * record that finds its ring full is counted, never waited for. The reader
 * drains on a timer; it is woken only when a ring fills up.
 */
#define FLOWS_BYTES	(4 * 1024 * 1024)
#define DENIALS_BYTES	(1 * 1024 * 1024)
#define WAKEUP_FRACTION 8 /* a power of two, as the sizes are */
#define WAKEUP_RECORDS	8

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, FLOWS_BYTES);
	MAP_PINNED;
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, DENIALS_BYTES);
	MAP_PINNED;
} denials SEC(".maps");

/* Records that found no room, by enum ring. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, RING_COUNT);
	__type(key, __u32);
	__type(value, __u64);
	MAP_PINNED;
} flows_lost SEC(".maps");

/* Refusals and closures, by enum reason. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, REASON_COUNT);
	__type(key, __u32);
	__type(value, __u64);
	MAP_PINNED;
} drops SEC(".maps");

/* Connection verdicts, by rule, direction and verdict. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct verdict_count_key);
	__type(value, __u64);
	MAP_PINNED;
} verdicts SEC(".maps");

static __always_inline void drop_count(__u32 reason)
{
	counter_add(&drops, reason);
}

static __always_inline void flow_lost(__u32 ring)
{
	counter_add(&flows_lost, ring);
}

static __always_inline void verdict_count(__u32 rule, __u8 direction, __u8 verdict)
{
	struct verdict_count_key key = { .rule = rule, .direction = direction, .verdict = verdict };
	__u64 *count = bpf_map_lookup_elem(&verdicts, &key);
	__u64 zero = 0;

	if (!count) {
		bpf_map_update_elem(&verdicts, &key, &zero, BPF_NOEXIST);
		count = bpf_map_lookup_elem(&verdicts, &key);
	}
	if (count)
		__sync_fetch_and_add(count, 1);
}

/*
 * Wakes the reader at each eighth of a ring, with the few records about there:
 * a wake-up is an interrupt, and more than all the rest of a record. Of several
 * processors that write at once, one at least meets the mark.
 */
static __always_inline __u64 ring_wakeup(__u64 waiting, __u32 ring_bytes)
{
	__u32 mark = ring_bytes / WAKEUP_FRACTION;

	return waiting >= mark &&
			       (waiting & (mark - 1)) < WAKEUP_RECORDS * sizeof(struct flow_record)
		       ? BPF_RB_FORCE_WAKEUP
		       : BPF_RB_NO_WAKEUP;
}

/* `size`: of the record and the text behind it. */
static __always_inline void flow_emit_allowed_text(const struct flow_record *record, __u32 size)
{
	__u64 waiting = bpf_ringbuf_query(&flows, BPF_RB_AVAIL_DATA);
	__u64 flags = ring_wakeup(waiting, FLOWS_BYTES);

	if (bpf_ringbuf_output(&flows, (void *)record, size, flags))
		flow_lost(RING_FLOWS);
}

static __always_inline void flow_emit_allowed(const struct flow_record *record)
{
	flow_emit_allowed_text(record, sizeof(*record));
}

static __always_inline void flow_emit_denial(const struct flow_record *record, __u32 size)
{
	__u64 waiting = bpf_ringbuf_query(&denials, BPF_RB_AVAIL_DATA);
	__u64 flags = ring_wakeup(waiting, DENIALS_BYTES);

	if (bpf_ringbuf_output(&denials, (void *)record, size, flags))
		flow_lost(RING_DENIALS);
}

static __always_inline void flow_emit_denied_text(const struct flow_record *record, __u32 size)
{
	drop_count(record->reason);
	flow_emit_denial(record, size);
}

static __always_inline void flow_emit_denied(const struct flow_record *record)
{
	flow_emit_denied_text(record, sizeof(*record));
}

#endif
