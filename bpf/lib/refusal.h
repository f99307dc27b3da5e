// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_REFUSAL_H
#define PERIGEE_LIB_REFUSAL_H

#include "lib/opaque.h"
#include "lib/ration.h"
#include "lib/stream.h"

/* enum reason by Reject: core/http/reject-reason.ts, written by the loader. */
const volatile __u16 reject_reasons[64];

static __always_inline __u16 reason_of(const struct http_scratch *scratch)
{
	__u32 rejected = scratch->rejected;
	__u16 reason;

	if (rejected == HTTP_NOWHERE)
		return scratch->rule; /* enum reason, from request_next */
	if (!rejected)
		return scratch->rule ? REASON_HTTP_DENIED : REASON_HTTP_NO_RULE;
	reason = reject_reasons[rejected & 63];
	return reason ? reason : REASON_HTTP_MALFORMED;
}

/*
 * The connection passes nothing from here on. An answer is asked for only if nothing else is under
 * way to the client: it would take a 403 for the answer to an earlier request. A visible connection
 * becomes opaque instead. Returns HOOK_ALLOW or HOOK_DENY.
 */
SUBPROGRAM int stream_refuse(struct http_frame *frame, struct segment *segment,
			     struct tcp_sock *tcp, __u16 reason)
{
	struct http_stream *stream = frame->stream;
	struct http_scratch *scratch = frame->scratch;
	struct refusal *event = &scratch->refusal;
	struct request_outcome outcome = { .reason = reason, .verdict = VERDICT_DENIED };

	if (stream->visible) {
		stream_opaque(stream, opaque_reason(frame, reason));
		return HOOK_ALLOW;
	}
	/* Before there is a socket, whoever can send a segment can ask for refusals. */
	if (!stream->cookie && !ration_take(RATION_REFUSALS, RATION_REFUSALS_PER_SECOND)) {
		stream->refused = 2;
		drop_count(REASON_EARLY_LIMITED);
		return HOOK_DENY;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->reference = (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32();
	event->time = bpf_ktime_get_ns();
	event->cookie = stream->cookie;
	event->netns = stream->netns;
	__builtin_memcpy(event->remote, stream->remote, 16);
	__builtin_memcpy(event->local, stream->local, 16);
	event->workload = stream->workload;
	event->remote_port = stream->remote_port;
	event->local_port = stream->local_port;
	event->family = stream->family;
	event->reason = reason;
	event->rejected = scratch->rejected == HTTP_NOWHERE ? 0 : scratch->rejected;
	event->acknowledge = segment->sequence + segment->length;
	event->sequence = segment->acknowledge;
	event->head_method = frame->reader->flags & FLAG_HEAD_METHOD ? 1 : 0;
	event->answer = reason >= REASON_HTTP_DENIED && stream->requests == stream->responses &&
			!stream->unsure && scratch->answerable && reason != REASON_HTTP_TRUNCATED;
	if (tcp) {
		event->sequence = tcp->write_seq;
		event->answer &= tcp->snd_una == tcp->write_seq;
	}
	stream->refused = event->answer ? 1 : 2;
	if (reason == REASON_SEGMENT_SHARED)
		sharer_remember(stream->source_workload);
	if (stream->current)
		request_end(stream, 0, event->time);
	stream->answered = 0;
	outcome.time = event->time;
	outcome.reference = event->answer ? event->reference : 0;
	outcome.rule = reason == REASON_HTTP_DENIED ? scratch->rule : 0;
	stream->request_start = event->time;
	stream->request_bytes = frame->reader->head_bytes;
	stream->response_bytes = 0;
	if (reason >= REASON_HTTP_DENIED)
		outcome.status = reason <= REASON_HTTP_NO_RULE ? 403 : 400;
	request_record(stream, &outcome);
	request_count(stream, outcome.status, VERDICT_DENIED, 0);
	if (event->cookie) /* else there is no socket to close yet */
		bpf_map_update_elem(&refused, &event->cookie, event, BPF_ANY);
	if (bpf_ringbuf_output(&refusals, event, sizeof(*event), BPF_RB_FORCE_WAKEUP))
		flow_lost(RING_REFUSALS);
	return HOOK_DENY;
}

static __always_inline int drop(__u16 reason)
{
	drop_count(reason);
	return HOOK_DENY;
}

/*
 * A segment that TCP may take otherwise than it was read. If visible it passes unread: when TCP has
 * taken it, the position tells.
 */
static __always_inline int stream_drop(struct http_stream *stream, __u16 reason)
{
	if (!stream->visible)
		return drop(reason);
	stream->lenient = 1;
	return HOOK_ALLOW;
}

#endif
