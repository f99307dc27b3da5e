// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The reader of requests without packets and sockets: what is run with is the
 * payload of the next segment. */
#include "lib/requests.h"

/* The connection, kept from run to run, and what there is to say of it. */
struct exchange {
  __u32 begin;    /* written: 1 forgets the connection */
  __u32 table;    /* written: offset in the pool */
  __u32 rejected; /* Reject */
  __u32 rule;     /* of the verdict */
  __u32 reason;   /* enum reason of a refusal */
  __u32 requests;
  __u32 refused;
  __u32 phase; /* enum http_phase */
  __u32 head_bytes;
  __u32 traced; /* the last head had a valid traceparent: */
  __u32 known;  /* no byte was run through the table */
  __u32 method; /* lengths of what is kept of the last head */
  __u32 text;
  __u32 host;
  __u64 remaining;
  struct flow_detail detail;
  struct http_stream stream;
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __uint(map_flags, BPF_F_MMAPABLE);
  __type(key, __u32);
  __type(value, struct exchange);
} exchanges SEC(".maps");

SEC("cgroup_skb/ingress")
int read_segment(struct __sk_buff *skb) {
  __u32 zero = 0;
  struct exchange *exchange = bpf_map_lookup_elem(&exchanges, &zero);
  struct segment segment = {.length = skb->len, .flags = SEGMENT_ACK};
  struct http_frame frame = {.skb = skb};
  struct http_stream *stream;
  __u32 untouched = 0xffffffff;
  int verdict;

  frame.pool = tables_get();
  frame.scratch = scratch_ingress();
  if (!exchange || !frame.pool || !frame.scratch)
    return HOOK_DENY;
  stream = &exchange->stream;
  if (exchange->begin) {
    __builtin_memset(stream, 0, sizeof(*stream));
    stream->request.table = exchange->table;
    stream->cookie = 1; /* what has none is rationed */
    exchange->begin = 0;
  }
  frame.stream = stream;
  frame.reader = &stream->request;
  segment.sequence = stream->next;
  scratch_begin(frame.scratch, 0, segment.length);
  frame.scratch->head_base = untouched;
  verdict = stream_read(&frame, &segment, NULL);
  exchange->known = frame.scratch->head_base == untouched;
  exchange->method = stream->method_length;
  exchange->text = stream->text_length;
  exchange->host = stream->host_length;
  exchange->rejected = frame.scratch->rejected;
  exchange->rule = stream->refused ? frame.scratch->rule : stream->rule;
  exchange->reason = frame.scratch->refusal.reason;
  exchange->requests = stream->requests;
  exchange->refused = stream->refused;
  exchange->phase = stream->request.phase;
  exchange->head_bytes = stream->request.head_bytes;
  exchange->remaining = stream->request.remaining;
  exchange->traced = stream->traced;
  if (exchange->traced)
    trace_fill(&exchange->detail, stream);
  return verdict;
}

char _license[] SEC("license") = "Dual BSD/GPL";
