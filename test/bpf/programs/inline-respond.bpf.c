// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The reader of responses without packets and sockets: what is run with is the
 * payload of the next segment. */
#include "lib/responses.h"

/* The connection, kept from run to run, and what there is to say of it. */
struct exchange {
  __u32 begin; /* written: 1 forgets the connection */
  __u32 ask;   /* written: requests that come before this segment */
  __u32 head;  /* written: they are HEAD */
  __u32 fin;   /* written: the segment ends the stream */
  __u32 missed;  /* written: bytes before it that aren't shown */
  __u32 responses;
  __u32 status;
  __u32 phase; /* enum http_phase */
  __u32 current;
  __u32 unsure;
  __u64 remaining;
  struct http_stream stream;
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __uint(map_flags, BPF_F_MMAPABLE);
  __type(key, __u32);
  __type(value, struct exchange);
} exchanges SEC(".maps");

SEC("cgroup_skb/egress")
int read_response(struct __sk_buff *skb) {
  __u32 zero = 0;
  struct exchange *exchange = bpf_map_lookup_elem(&exchanges, &zero);
  struct segment segment = {.length = skb->len, .flags = SEGMENT_ACK};
  struct http_frame frame = {.skb = skb};
  struct http_stream *stream;

  frame.pool = tables_get();
  frame.scratch = scratch_ingress();
  if (!exchange || !frame.pool || !frame.scratch)
    return HOOK_DENY;
  stream = &exchange->stream;
  if (exchange->begin) {
    __builtin_memset(stream, 0, sizeof(*stream));
    exchange->begin = 0;
  }
  frame.stream = stream;
  if (exchange->ask) {
    stream->heads = exchange->head ? ~0ULL : 0;
    stream->requests += exchange->ask;
    stream->current = 1;
  }
  if (exchange->fin)
    segment.flags |= SEGMENT_FIN;
  segment.sequence = stream->out_next + exchange->missed;
  response_segment(&frame, &segment);
  exchange->responses = stream->responses;
  exchange->status = stream->response.status;
  exchange->phase = stream->response.phase;
  exchange->remaining = stream->response.remaining;
  exchange->current = stream->current;
  exchange->unsure = stream->unsure;
  return HOOK_ALLOW;
}

char _license[] SEC("license") = "Dual BSD/GPL";
