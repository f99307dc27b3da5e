// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Writes as many records as its context asks for.
#include <vmlinux.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 12);
} denials SEC(".maps");

struct order {
	__u32 records;
	__u32 first; // number of the first record
	__u32 denials; // to which ring
	__u32 wake; // 0: BPF_RB_NO_WAKEUP
	__u32 lost; // out
};

struct record {
	__u32 number;
	__u32 inverse;
	__u32 odd; // records of 12 bytes: the ring rounds up, we must not
};

struct record_long {
	struct record head;
	__u8 padding[128];
};

static long record_write(__u32 i, struct order *order)
{
	__u64 flags = order->wake ? 0 : BPF_RB_NO_WAKEUP;
	struct record_long record = {};
	__u64 size = sizeof(record.head);

	record.head.number = order->first + i;
	record.head.inverse = ~record.head.number;
	record.head.odd = record.head.number & 1;
	if (record.head.odd)
		size = sizeof(record);
	if (bpf_ringbuf_output(order->denials ? (void *)&denials : (void *)&events, &record, size, flags))
		order->lost++;
	return 0;
}

SEC("syscall")
int write_records(struct order *order)
{
	struct order copy = *order;

	bpf_loop(copy.records, record_write, &copy, 0);
	order->lost = copy.lost;
	return 0;
}

// A record that is given up must be passed over.
SEC("syscall")
int write_discarded(struct order *order)
{
	struct record *record = bpf_ringbuf_reserve(&events, sizeof(*record), 0);

	if (!record)
		return 1;
	record->number = order->first;
	bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);
	return 0;
}

SEC("tp/sock/inet_sock_set_state")
int state_changed(struct trace_event_raw_inet_sock_set_state *ctx)
{
	struct record record = { .number = ctx->newstate, .inverse = ctx->sport };

	bpf_ringbuf_output(&denials, &record, sizeof(record), 0);
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int state_changed_typed(__u64 *ctx)
{
	struct record record = { .number = (__u32)ctx[2] };

	bpf_ringbuf_output(&denials, &record, sizeof(record), 0);
	return 0;
}

SEC("raw_tp/inet_sock_set_state")
int state_changed_raw(struct bpf_raw_tracepoint_args *ctx)
{
	struct record record = { .number = (__u32)ctx->args[2] };

	bpf_ringbuf_output(&denials, &record, sizeof(record), 0);
	return 0;
}
