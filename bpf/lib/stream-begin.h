// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_STREAM_BEGIN_H
#define PERIGEE_LIB_STREAM_BEGIN_H

#include "lib/asked.h"
#include "lib/opaque.h"
#include "lib/stream.h"

/* The stream of a connection that a server has just accepted: sockops. */

#define EARLY_STALE_NS 1000000000ULL

/* Whether the segment that made the socket brought payload. */
static __always_inline bool brings_payload(struct bpf_sock_ops *ctx)
{
	void *end = (void *)(long)ctx->skb_data_end;
	struct tcphdr *tcp = (void *)(long)ctx->skb_data;

	if ((void *)(tcp + 1) > end)
		return ctx->skb_len > 0;
	return ctx->skb_len > tcp->doff * 4;
}

/*
 * What came with the handshake's last segment has been read already, if it was the stream's
 * beginning. Anything else that came so is with TCP unread: the connection passes nothing, or isn't
 * visible. What was read of a segment that did not make the socket comes to the socket itself.
 */
static __always_inline struct http_stream *stream_of(struct bpf_sock_ops *ctx, struct bpf_sock *sk,
						     const struct tuple_key *key, bool visible)
{
	struct http_stream *early = bpf_map_lookup_elem(&early_streams, key), *stream;
	bool brings = brings_payload(ctx), fits;

	fits = brings && early && !early->refused && early->out_next == ctx->rcv_nxt &&
	       bpf_ktime_get_ns() - early->opened < EARLY_STALE_NS;
	stream = bpf_sk_storage_get(&streams, sk, fits ? early : NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (stream) {
		stream->busy = 0;
		if (brings && !fits && visible) {
			stream->opaque = 1;
			stream->rule = REASON_OPAQUE_EARLY;
		} else if (brings && !fits) {
			stream->refused = 2;
		}
	}
	if (early)
		bpf_map_delete_elem(&early_streams, key);
	return stream;
}

/* Nothing will pass, so no segment asks for its end: this does. */
SUBPROGRAM int stream_unread(struct http_stream *stream)
{
	struct refusal event = {};

	drop_count(REASON_STREAM_POSITION_LOST);
	event.cookie = stream->cookie;
	event.netns = stream->netns;
	event.time = bpf_ktime_get_ns();
	__builtin_memcpy(event.remote, stream->remote, 16);
	__builtin_memcpy(event.local, stream->local, 16);
	event.remote_port = stream->remote_port;
	event.local_port = stream->local_port;
	event.family = stream->family;
	event.workload = stream->workload;
	event.reason = REASON_STREAM_POSITION_LOST;
	bpf_map_update_elem(&refused, &event.cookie, &event, BPF_ANY);
	if (bpf_ringbuf_output(&refusals, &event, sizeof(event), BPF_RB_FORCE_WAKEUP))
		flow_lost(RING_REFUSALS);
	return 0;
}

/* Requests that the kernel reads: the stream is read from its first byte. */
static __always_inline void passive_inline(struct bpf_sock_ops *ctx, struct bpf_sock *sk,
					   const struct tuple_key *key,
					   const struct workload *workload,
					   const struct ipcache_entry *peer,
					   const struct policy_verdict *verdict, __u64 epoch)
{
	bool visible = verdict->action == ACTION_VISIBLE;
	struct http_stream *stream = stream_of(ctx, sk, key, visible);
	struct inline_settings *settings = inline_settings_get();
	struct stream_ends ends = {
		.netns = key->netns,
		.epoch = epoch,
		.local_port = key->destination_port,
		.remote_port = key->source_port,
		.family = ctx->family == AF_INET ? 4 : 6,
	};

	if (!stream) {
		if (visible)
			return;
		/* No memory: from now on sockets without a stream are looked at. */
		drop_count(REASON_STREAM_STATE_MISSING);
		if (settings)
			settings->missing = 1;
		return;
	}
	stream->cookie = bpf_get_socket_cookie(ctx);
	stream->out_next = ctx->snd_nxt;
	if (!stream->early) {
		__builtin_memcpy(ends.local.byte, key->destination_address, 16);
		__builtin_memcpy(ends.remote.byte, key->source_address, 16);
		if (address_is4(&ends.remote))
			ends.family = 4;
		stream_begin(stream, &ends, workload, peer, verdict);
		stream->next = ctx->rcv_nxt;
		stream->body_from = stream->next;
		stream->body_to = stream->next;
	}
	if (peer->workload)
		stream->service = asked_take(ctx, peer->workload, workload->id, key);
	if (stream->opaque && !stream->visible)
		stream->refused = 2; /* policy came while it was being made */
	if (stream->refused)
		stream_unread(stream);
	else if (stream->opaque)
		opaque_record(stream, stream->rule);
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
}

#endif
