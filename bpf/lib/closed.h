// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_CLOSED_H
#define PERIGEE_LIB_CLOSED_H

#include "lib/boost.h"
#include "lib/boosted-stream.h"
#include "lib/proxied.h"
#include "lib/sock-ops.h"
#include "lib/stream.h"

/* The end of a connection: its last records, who closed it, and what was kept for it. */

/* Nothing accepted it: the entry would wait for a stranger with the same ports. */
static __always_inline void drop_handoff(struct bpf_sock_ops *ctx)
{
	struct tuple_key key = {};

	tuple_of(ctx, true, &key);
	bpf_map_delete_elem(&handoff, &key);
}

/* The last request of an inline connection gets its record, and nobody waits for its refusal any
 * more. */
SUBPROGRAM int stream_ended(struct http_stream *stream)
{
	if (stream->refused)
		bpf_map_delete_elem(&refused, &stream->cookie);
	if (stream->current)
		request_end(stream,
			    stream->response.phase == HTTP_UNTIL_CLOSE ? stream->response.status
								       : 0,
			    bpf_ktime_get_ns());
	return 0;
}

static __always_inline void stream_closed(struct bpf_sock *sk)
{
	struct http_stream *stream = bpf_sk_storage_get(&streams, sk, 0, 0);
	struct boosted_stream *boosted;
	__u64 cookie;

	if (!stream)
		return;
	if (!stream->moved) {
		stream_ended(stream);
		return;
	}
	boosted = boosted_of(stream);
	if (!boosted)
		return;
	stream_ended(&boosted->stream);
	/* The socket's last segment is judged by what stays here. */
	stream->refused = boosted->stream.refused;
	stream->moved = 0;
	cookie = stream->cookie;
	/* Memory that is given back while somebody writes to it would be another's: it stays held.
	 */
	if (!__sync_val_compare_and_swap(&boosted->stream.busy, 0, 1))
		bpf_map_delete_elem(&boosted_streams, &cookie);
}

#define ECONNABORTED 103
#define ECONNRESET   104
#define ETIMEDOUT    110

/* By the state that the socket leaves, and by the error that it leaves with. */
static __always_inline __u8 closer_of(const struct tcp_sock *tcp, __u32 state, bool connecting)
{
	int error = tcp->inet_conn.icsk_inet.sk.sk_err;

	if (error == ECONNABORTED)
		return CLOSER_ABORT;
	switch (state) {
	case BPF_TCP_FIN_WAIT1:
	case BPF_TCP_FIN_WAIT2:
	case BPF_TCP_CLOSING:
		return connecting ? CLOSER_CLIENT : CLOSER_SERVER;
	case BPF_TCP_CLOSE_WAIT:
	case BPF_TCP_LAST_ACK:
		return connecting ? CLOSER_SERVER : CLOSER_CLIENT;
	case BPF_TCP_ESTABLISHED:
		if (error == ETIMEDOUT)
			return CLOSER_TIMEOUT;
		return (error == ECONNRESET) == connecting ? CLOSER_SERVER_RESET
							   : CLOSER_CLIENT_RESET;
	}
	return CLOSER_UNKNOWN;
}

static __always_inline void recorded_closed(struct bpf_sock_ops *ctx, struct bpf_sock *sk,
					    const struct connection *connection)
{
	bool connecting = connection->direction == DIRECTION_EGRESS;
	bool proxied = connection->path == PATH_PROXIED;
	struct flow_record record = {};
	struct tcp_sock *tcp;

	record_of(ctx, connection, &record);
	if (proxied && connecting)
		steered_ends(connection, bpf_sk_storage_get(&client_steering, sk, 0, 0), &record);
	record.kind = FLOW_CLOSE;
	record.duration = record.time - connection->start;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (tcp) {
		connection_bytes(tcp, connecting, &record);
		record.closer = closer_of(tcp, ctx->args[0], connecting);
	}
	if (connection->boost)
		boost_bytes(bpf_sk_storage_get(&boost_ends, sk, 0, 0), &record);
	record.rtt = ctx->srtt_us >> 3;
	record.retransmits = ctx->total_retrans;
	if (connection->established) {
		if (proxied)
			ending_take(&record);
		/* The proxy has counted the drop. */
		if (record.verdict == VERDICT_DENIED)
			flow_emit_denial(&record, sizeof(record));
		else
			flow_emit_allowed(&record);
		return;
	}
	if (proxied) {
		/* Steered, and nobody listened: the proxy is away. Refused all the same. */
		record.kind = FLOW_VERDICT;
		record.verdict = VERDICT_DENIED;
		record.reason = REASON_PROXY_UNAVAILABLE;
		flow_emit_denied(&record);
		return;
	}
	record.verdict = VERDICT_ERROR;
	flow_emit_allowed(&record);
}

/* Each look for a storage that isn't there goes through all that the socket has. */
static __always_inline void closed(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct connection *connection = bpf_sk_storage_get(&connections, sk, 0, 0);
	bool opening = connection && connection->direction == DIRECTION_EGRESS;

	if (!opening)
		stream_closed(sk);
	if (opening && connection->path == PATH_PROXIED)
		drop_handoff(ctx);
	if (connection && connection->recorded)
		recorded_closed(ctx, sk, connection);
	if (!opening || connection->boost)
		boost_closed(ctx, sk);
}

#endif
