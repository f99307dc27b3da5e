// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_EARLY_H
#define PERIGEE_LIB_EARLY_H

#include "lib/announce.h"
#include "lib/features.h"
#include "lib/read-ports.h"
#include "lib/requests.h"

/* Segments whose socket has no stream: before there is one, or because there was no room for it. */

/* The ends of a segment that arrives. */
static __always_inline int ends_of(struct http_frame *frame, const struct segment *segment,
				   struct stream_ends *ends)
{
	struct __sk_buff *skb = frame->skb;
	__be32 ip4[2];
	__be16 ports[2];

	ends->family = segment->family;
	ends->netns = netns_of_packet(skb, frame->sk);
	if (segment->family == 4) {
		if (bpf_skb_load_bytes(skb, 12, ip4, sizeof(ip4)))
			return -1;
		ends->remote = address_from4(ip4[0]);
		ends->local = address_from4(ip4[1]);
	} else if (bpf_skb_load_bytes(skb, 8, ends->remote.byte, 16) ||
		   bpf_skb_load_bytes(skb, 24, ends->local.byte, 16)) {
		return -1;
	}
	if (bpf_skb_load_bytes(skb, segment->tcp, ports, sizeof(ports)))
		return -1;
	ends->remote_port = bpf_ntohs(ports[0]);
	ends->local_port = bpf_ntohs(ports[1]);
	return 0;
}

/* Brings nothing and cuts nothing: TCP keeps a FIN or urgent pointer for what comes. */
static __always_inline bool segment_harmless(const struct segment *segment)
{
	return !segment->length && !(segment->flags & (SEGMENT_FIN | SEGMENT_URG));
}

/* What is asked of a segment whose socket has no stream. */
struct stranger {
	struct stream_ends ends;
	struct tuple_key key; /* padding stays zero */
	struct policy_verdict verdict;
	struct ipcache_entry peer;
	struct http_stream stream; /* that is being begun */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stranger);
} strangers SEC(".maps");

/* The workload it's for, if its requests are read. */
SUBPROGRAM struct workload *stranger_inline(struct http_frame *frame, const struct segment *segment,
					    struct stranger *stranger)
{
	struct workload *workload;
	struct stream_ends *ends = &stranger->ends;
	struct policy_side side = { .direction = DIRECTION_INGRESS, .protocol = IPPROTO_TCP };

	if (ends_of(frame, segment, ends))
		return NULL;
	if (address_is_loopback(&ends->local) || address_equal(&ends->local, &ends->remote))
		return NULL;
	workload = workload_of_netns(ends->netns);
	if (!workload || !(workload->flags & (WORKLOAD_INGRESS_SELECTED | WORKLOAD_VISIBLE)))
		return NULL;
	stranger->key.netns = ends->netns;
	address_copy(stranger->key.source_address, &ends->remote);
	address_copy(stranger->key.destination_address, &ends->local);
	stranger->key.source_port = ends->remote_port;
	stranger->key.destination_port = ends->local_port;
	if (bpf_map_lookup_elem(&announcements, &stranger->key))
		return NULL; /* the proxy has judged it */
	ends->epoch = inline_epoch();
	stranger->peer = ipcache_find(&ends->remote);
	if (stranger->peer.workload == workload->id)
		return NULL;
	side.workload = workload->id;
	side.flags = workload->flags;
	side.peer = stranger->peer.identity;
	side.port = ends->local_port;
	stranger->verdict = policy_decide(&side);
	return policy_reads(&stranger->verdict) ? workload : NULL;
}

/*
 * A segment that can't be read, for a socket that may need a stream: TCP takes what is behind
 * headers that nobody uses, such as an atomic fragment's.
 */
static __always_inline int unreadable_segment(struct http_frame *frame)
{
	struct workload *workload = workload_of_netns(netns_of_packet(frame->skb, frame->sk));

	if (!port_may_be_enforced(frame->sk->src_port))
		return HOOK_ALLOW;
	if (!workload || !(workload->flags & WORKLOAD_INGRESS_SELECTED))
		return HOOK_ALLOW;
	return drop(REASON_PACKET_MALFORMED);
}

/* As stream_drop. A visible stream begins opaque if it brings bytes that were not read here. */
static __always_inline int early_drop(const struct stranger *stranger, __u16 reason)
{
	return stranger->verdict.action == ACTION_VISIBLE ? HOOK_ALLOW : drop(reason);
}

static __always_inline bool early_ration(const struct stranger *stranger)
{
	return stranger->verdict.action == ACTION_VISIBLE
		       ? ration_take(RATION_VISIBLE, RATION_VISIBLE_PER_SECOND)
		       : ration_take(RATION_READS, RATION_READS_PER_SECOND);
}

#define EARLY_AGAIN_NS 100000000ULL /* the segment is sent again after 200 ms at the soonest */

/*
 * Whether this processor may read the segment: of two copies that arrive at once TCP takes one, and
 * what is known has to be of that one.
 */
static __always_inline bool early_claim(struct stranger *stranger)
{
	struct http_stream *early = bpf_map_lookup_elem(&early_streams, &stranger->key);
	__u64 now = stranger->stream.opened, before;

	if (!early) /* a socket that is made meanwhile reads from the start */
		return !bpf_map_update_elem(&early_streams, &stranger->key, &stranger->stream,
					    BPF_NOEXIST);
	before = early->opened;
	return now - before >= EARLY_AGAIN_NS &&
	       __sync_val_compare_and_swap(&early->opened, before, now) == before;
}

/*
 * Payload that comes before there is a socket of its own: on the handshake's last segment. TCP
 * gives it to the new socket without asking again, so it's read here, and sockops moves what is
 * known of it.
 */
SUBPROGRAM int early_segment(struct http_frame *frame, struct segment *segment)
{
	__u32 zero = 0;
	struct stranger *stranger = bpf_map_lookup_elem(&strangers, &zero);
	struct __sk_buff *skb = frame->skb;
	struct http_stream *fresh;
	struct workload *workload;
	int verdict;

	if (segment_harmless(segment))
		return HOOK_ALLOW;
	if (!stranger)
		return drop(REASON_STREAM_STATE_MISSING);
	workload = stranger_inline(frame, segment, stranger);
	if (!workload)
		return HOOK_ALLOW;
	if (!segment->length || !(segment->flags & SEGMENT_ACK) ||
	    (segment->flags & (SEGMENT_SYN | SEGMENT_RST | SEGMENT_URG)))
		return early_drop(stranger, REASON_SEGMENT_AMBIGUOUS); /* sent again without SYN */
	if (!early_ration(stranger))
		return early_drop(stranger, REASON_EARLY_LIMITED);
	frame->pool = tables_get();
	frame->scratch = scratch_ingress();
	if (!frame->pool || !frame->scratch)
		return early_drop(stranger, REASON_STREAM_STATE_MISSING);
	if (!segment_checksum_ok(skb, frame->scratch, segment))
		return early_drop(stranger, REASON_SEGMENT_AMBIGUOUS);
	fresh = &stranger->stream;
	__builtin_memset(fresh, 0, sizeof(*fresh));
	stream_begin(fresh, &stranger->ends, workload, &stranger->peer, &stranger->verdict);
	fresh->early = 1;
	fresh->out_next = segment->sequence;
	fresh->next = segment->sequence;
	fresh->body_from = fresh->next;
	fresh->body_to = fresh->next;
	if (!early_claim(stranger))
		return early_drop(stranger, REASON_SEGMENT_CONTENDED);
	frame->stream = fresh;
	scratch_begin(frame->scratch, segment->payload, segment->length);
	frame->reader = &fresh->request;
	verdict = stream_read(frame, segment, NULL);
	if (verdict == HOOK_DENY && !fresh->refused)
		return HOOK_DENY;
	if (bpf_map_update_elem(&early_streams, &stranger->key, fresh, BPF_ANY))
		return early_drop(stranger, REASON_STREAM_STATE_MISSING);
	return verdict;
}

/* What passes while the socket is being made may be taken before its stream begins. */
static __always_inline void stranger_unread(struct http_frame *frame)
{
	struct bpf_sock *sk = frame->sk;
	struct http_stream *stream;

	if (!sk || READ32(sk, state) != BPF_TCP_SYN_RECV)
		return;
	stream = bpf_sk_storage_get(&streams, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!stream)
		return;
	stream->visible = 1;
	stream->opaque = 1;
	stream->rule = REASON_OPAQUE_EARLY;
}

/* A socket that should have a stream and has none: the kernel had no memory for it. */
SUBPROGRAM int orphan_segment(struct http_frame *frame, struct segment *segment)
{
	__u32 zero = 0;
	struct stranger *stranger = bpf_map_lookup_elem(&strangers, &zero);

	if (segment_harmless(segment) || (stranger && !stranger_inline(frame, segment, stranger)))
		return HOOK_ALLOW;
	if (!stranger || stranger->verdict.action != ACTION_VISIBLE)
		return drop(REASON_STREAM_STATE_MISSING);
	stranger_unread(frame);
	return HOOK_ALLOW;
}

#endif
