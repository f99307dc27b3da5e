// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * cgroup_skb: HTTP/1 policy on the packets of a server's socket. Ingress reads
 * requests in stream order, before TCP takes them, and refuses; egress reads
 * responses for records alone.
 *
 * Stance: a socket without a stream isn't inline and passes. On an inline
 * connection whatever can't be read, or could be taken by TCP otherwise than it
 * was read, is dropped and counted; a refused connection passes nothing more in
 * either direction until it is closed. Egress never refuses anything else.
 * A visible connection, which no policy reads, passes whatever comes: what can't be followed makes
 * it opaque.
 */
#include "lib/boosted-stream.h"
#include "lib/early.h"
#include "lib/responses.h"

/* Whether TCP would discard the segment after it was read here. */
static __always_inline bool segment_acceptable(const struct segment *segment, struct tcp_sock *tcp)
{
	__u32 window_end = tcp->rcv_wup + tcp->rcv_wnd;

	if (!(segment->flags & SEGMENT_ACK) || (segment->flags & (SEGMENT_SYN | SEGMENT_RST)))
		return false;
	/* Of what is being sent right now, the answer may be here before `snd_nxt` says so. */
	if (sequence_before(segment->acknowledge, tcp->snd_una) ||
	    sequence_before(tcp->write_seq, segment->acknowledge))
		return false;
	return !sequence_before(window_end, segment->sequence + segment->length);
}

/* The bytes of a segment that TCP has not taken yet. */
static __always_inline int stream_payload(struct http_frame *frame, struct segment *segment,
					  struct tcp_sock *tcp, __u32 received)
{
	__u16 reason = 0;

	switch (stream_order(frame->stream, segment, received, &reason)) {
	case STREAM_READ:
		return stream_read(frame, segment, tcp);
	case STREAM_PASS:
		return HOOK_ALLOW;
	case STREAM_LOST:
		return stream_refuse(frame, segment, tcp, reason);
	default:
		return stream_drop(frame->stream, reason);
	}
}

/* A FIN behind bytes that TCP has, or alone. */
static __always_inline int stream_end(struct http_frame *frame, struct segment *segment,
				      struct tcp_sock *tcp, __u32 received)
{
	__u16 reason = stream_fin(frame->stream, segment->sequence + segment->length, received);

	if (reason == REASON_HTTP_TRUNCATED || reason == REASON_STREAM_POSITION_LOST)
		return stream_refuse(frame, segment, tcp, reason);
	return reason ? stream_drop(frame->stream, reason) : HOOK_ALLOW;
}

static __always_inline int stream_segment(struct http_frame *frame, struct segment *segment,
					  struct tcp_sock *tcp, struct boosted_stream *boosted,
					  __u64 cookie)
{
	struct http_stream *stream = frame->stream;
	__u32 received = tcp->rcv_nxt, end = segment->sequence + segment->length;
	bool fresh = segment->length && sequence_before(received, end);
	int verdict;

	/* Also a segment without anything new moves the urgent pointer. */
	if (segment->flags & SEGMENT_URG)
		return stream_drop(stream, REASON_SEGMENT_AMBIGUOUS);
	if (!fresh &&
	    (!(segment->flags & SEGMENT_FIN) || sequence_before(end, received) || stream->opaque))
		return HOOK_ALLOW; /* TCP has it: acknowledged again */
	if (!segment_acceptable(segment, tcp))
		return stream_drop(stream, REASON_SEGMENT_AMBIGUOUS);
	if (!segment_checksum_ok(frame->skb, frame->scratch, segment))
		return stream_drop(stream, REASON_SEGMENT_AMBIGUOUS);
	if (__sync_val_compare_and_swap(&stream->busy, 0, 1))
		return stream_drop(stream, REASON_SEGMENT_CONTENDED);
	/* It has moved since it was found here, or waits for what goes past TCP. */
	if (boosted ? boosted->stream.cookie != cookie || (fresh && !insertion_ended(boosted))
		    : stream->moved) {
		__sync_fetch_and_and(&stream->busy, 0);
		return stream_drop(stream, REASON_SEGMENT_CONTENDED);
	}
	scratch_begin(frame->scratch, segment->payload, segment->length);
	frame->reader = &stream->request;
	/* A response that passes TCP by may be on its way to the client. */
	frame->scratch->answerable = !boosted || psock_holders(tcp) <= PSOCK_IDLE;
	if (fresh)
		verdict = stream_payload(frame, segment, tcp, received);
	else
		verdict = stream_end(frame, segment, tcp, received);
	__sync_fetch_and_and(&stream->busy, 0); /* after all that was written under it */
	return verdict;
}

/* What is read no more passes, until policy has changed and says otherwise. */
SUBPROGRAM int opaque_segment(struct http_frame *frame, struct segment *segment)
{
	struct http_stream *stream = frame->stream;
	struct bpf_sock *sk = frame->sk;
	struct tcp_sock *tcp;
	__u16 reason = stream_policy(stream);

	if (!reason || stream->visible)
		return HOOK_ALLOW;
	frame->scratch = scratch_ingress();
	tcp = sk ? bpf_skc_to_tcp_sock(sk) : NULL;
	if (!frame->scratch || !tcp || segment_parse(frame->skb, segment))
		return drop(reason);
	frame->reader = &stream->request;
	return stream_refuse(frame, segment, tcp, reason);
}

/* A segment for a socket without a stream. */
static __always_inline int strange_segment(struct http_frame *frame, struct segment *segment,
					   struct bpf_sock *sk, __u32 state)
{
	struct inline_settings *settings = inline_settings_get();

	if (state != BPF_TCP_LISTEN && state != BPF_TCP_SYN_RECV && settings && !settings->missing)
		return HOOK_ALLOW;
	if (segment_parse(frame->skb, segment))
		return unreadable_segment(frame);
	if (state == BPF_TCP_LISTEN)
		return early_segment(frame, segment);
	if (bpf_sk_storage_get(&announced, sk, 0, 0))
		return HOOK_ALLOW; /* the proxy has judged it */
	return orphan_segment(frame, segment);
}

SEC("cgroup_skb/ingress")
int inline_ingress(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct segment segment = {};
	struct http_frame frame = { .skb = skb };
	struct boosted_stream *boosted = NULL;
	struct tcp_sock *tcp;
	__u64 cookie;
	__u32 state;

	if (!sk || !port_may_be_read(sk->src_port))
		return HOOK_ALLOW;
	sk = bpf_sk_fullsock(sk);
	if (!sk || sk->protocol != IPPROTO_TCP)
		return HOOK_ALLOW;
	frame.sk = sk;
	/* Before the stream is looked for: the socket has it when its state says established. */
	state = READ32(sk, state);
	frame.stream = bpf_sk_storage_get(&streams, sk, 0, 0);
	if (!frame.stream)
		return strange_segment(&frame, &segment, sk, state);
	cookie = frame.stream->cookie;
	if (frame.stream->moved) {
		boosted = boosted_of(frame.stream);
		if (!boosted)
			return drop(REASON_STREAM_STATE_MISSING);
		frame.stream = &boosted->stream;
	}
	if (frame.stream->refused)
		return HOOK_DENY;
	if (frame.stream->opaque)
		return opaque_segment(&frame, &segment);
	if (segment_parse(skb, &segment))
		return stream_drop(frame.stream, REASON_PACKET_MALFORMED);
	if (segment_harmless(&segment))
		return HOOK_ALLOW; /* acknowledges, and no more */
	tcp = bpf_skc_to_tcp_sock(sk);
	frame.pool = tables_get();
	frame.scratch = scratch_ingress();
	if (!tcp || !frame.pool || !frame.scratch)
		return stream_drop(frame.stream, REASON_STREAM_STATE_MISSING);
	return stream_segment(&frame, &segment, tcp, boosted, cookie);
}

SEC("cgroup_skb/egress")
int inline_egress(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct segment segment = {};
	struct http_frame frame = { .skb = skb };

	if (!sk || !port_may_be_read(sk->src_port))
		return HOOK_ALLOW;
	sk = bpf_sk_fullsock(sk);
	if (!sk || sk->protocol != IPPROTO_TCP)
		return HOOK_ALLOW;
	frame.stream = bpf_sk_storage_get(&streams, sk, 0, 0);
	if (!frame.stream)
		return HOOK_ALLOW;
	if (frame.stream->moved) {
		struct boosted_stream *boosted = boosted_of(frame.stream);

		if (!boosted)
			return drop(REASON_STREAM_STATE_MISSING);
		frame.stream = &boosted->stream;
	}
	if (segment_parse(skb, &segment))
		return HOOK_ALLOW;
	if (frame.stream->refused == 2 && !segment.length && (segment.flags & SEGMENT_RST))
		return HOOK_ALLOW; /* the client was not answered: it's told by the reset of the
				      socket */
	if (frame.stream->refused)
		return HOOK_DENY;
	if (frame.stream->opaque || (!segment.length && !(segment.flags & SEGMENT_FIN)))
		return HOOK_ALLOW;
	if (frame.stream->visible && !frame.stream->requests && segment.length) {
		stream_opaque(frame.stream, REASON_OPAQUE_SERVER_FIRST);
		return HOOK_ALLOW;
	}
	frame.pool = tables_get();
	frame.scratch = scratch_take();
	if (!frame.pool || !frame.scratch) {
		frame.stream->response.phase = HTTP_UNTRACKED;
		return HOOK_ALLOW;
	}
	response_segment(&frame, &segment);
	scratch_give(frame.scratch);
	return HOOK_ALLOW;
}

char _license[] SEC("license") = "Dual BSD/GPL";
