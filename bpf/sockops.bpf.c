// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * sockops: the life of TCP connections. Hands the original destination over to
 * the proxy's accepted socket, the client's address to the server's, and
 * records what opened and closed.
 *
 * Stance: nothing is refused here. A hand-over that fails leaves the accepted
 * socket without its word, and the proxy refuses such sockets.
 */
#include "lib/announce.h"
#include "lib/boost.h"
#include "lib/boosted-stream.h"
#include "lib/connection.h"
#include "lib/read-ports.h"
#include "lib/steer.h"
#include "lib/stream-begin.h"

static __always_inline struct address local_address(struct bpf_sock_ops *ctx)
{
	if (ctx->family == AF_INET)
		return address_from4(READ32(ctx, local_ip4));
	return address_from6(READ32(ctx, local_ip6[0]), READ32(ctx, local_ip6[1]),
			     READ32(ctx, local_ip6[2]), READ32(ctx, local_ip6[3]));
}

static __always_inline struct address remote_address(struct bpf_sock_ops *ctx)
{
	if (ctx->family == AF_INET)
		return address_from4(READ32(ctx, remote_ip4));
	return address_from6(READ32(ctx, remote_ip6[0]), READ32(ctx, remote_ip6[1]),
			     READ32(ctx, remote_ip6[2]), READ32(ctx, remote_ip6[3]));
}

/* The 4-tuple as the connecting side orders it. */
static __always_inline void tuple_of(struct bpf_sock_ops *ctx, bool connecting,
				     struct tuple_key *key)
{
	struct address local = local_address(ctx), remote = remote_address(ctx);
	__u16 local_port = ctx->local_port, remote_port = bpf_ntohl(ctx->remote_port);

	key->netns = bpf_get_netns_cookie(ctx);
	address_copy(key->source_address, connecting ? &local : &remote);
	address_copy(key->destination_address, connecting ? &remote : &local);
	key->source_port = connecting ? local_port : remote_port;
	key->destination_port = connecting ? remote_port : local_port;
}

static __always_inline void record_of(struct bpf_sock_ops *ctx, const struct connection *connection,
				      struct flow_record *record)
{
	bool connecting = connection->direction == DIRECTION_EGRESS;
	struct address local = local_address(ctx), remote = remote_address(ctx);
	__u16 local_port = ctx->local_port, remote_port = bpf_ntohl(ctx->remote_port);

	record->time = bpf_ktime_get_ns();
	record->connection = bpf_get_socket_cookie(ctx);
	address_copy(record->source_address, connecting ? &local : &remote);
	address_copy(record->destination_address, connecting ? &remote : &local);
	record->source_port = connecting ? local_port : remote_port;
	record->destination_port = connecting ? remote_port : local_port;
	record->source_identity = connection->source_identity;
	record->destination_identity = connection->destination_identity;
	record->source_workload = connection->source_workload;
	record->destination_workload = connection->destination_workload;
	record->reference = connection->service;
	record->egress_rule = connection->egress_rule;
	record->ingress_rule = connection->ingress_rule;
	record->verdict = connection->verdict;
	record->direction = connection->direction;
	record->path = connection->path;
	record->protocol = IPPROTO_TCP;
	record->family = address_is4(&remote) ? 4 : 6;
}

static __always_inline void opened(struct bpf_sock_ops *ctx, struct connection *connection)
{
	struct flow_record record = {};

	connection->established = 1;
	if (connection->path == PATH_PROXIED)
		return; /* the proxy records what it carries */
	record_of(ctx, connection, &record);
	record.kind = FLOW_VERDICT;
	flow_emit_allowed(&record);
}

/* The proxy opens a connection to a workload of this node that asks for boost. */
static __always_inline void proxy_established(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct boost_settings *settings = boost_settings_get();
	struct address remote = remote_address(ctx);
	struct ipcache_entry server;
	struct tuple_key key = {};

	if (!settings || !settings->enabled || !socket_is_own(sk))
		return;
	server = ipcache_find(&remote);
	if (!(server.flags & WORKLOAD_BOOST))
		return;
	tuple_of(ctx, true, &key);
	boost_offer(ctx, sk, 0, server.workload, &key);
}

static __always_inline void active_established(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct connection *connection = bpf_sk_storage_get(&connections, sk, 0, 0);
	struct steering *steering = NULL;
	struct tuple_key key = {};

	if (!connection)
		proxy_established(ctx, sk);
	else
		opened(ctx, connection);
	if (!connection || connection->path == PATH_PROXIED)
		steering = bpf_sk_storage_get(&client_steering, sk, 0, 0);
	if (!steering && !(connection && connection->boost))
		return;
	tuple_of(ctx, true, &key);
	if (steering && bpf_map_update_elem(&handoff, &key, steering, BPF_ANY))
		drop_count(REASON_STEER_FAILED);
	if (connection && connection->boost)
		boost_offer(ctx, sk, connection->source_workload,
			    connection->path == PATH_PROXIED ? 0 : connection->destination_workload,
			    &key);
}

/* The proxy's accepted socket gets the word of the connect hook. */
static __always_inline void take_handoff(struct bpf_sock_ops *ctx, struct bpf_sock *sk,
					 const struct tuple_key *key)
{
	struct steering *steering = bpf_map_lookup_elem(&handoff, key);

	if (!steering)
		return;
	bpf_sk_storage_get(&steered, sk, steering, BPF_SK_STORAGE_GET_F_CREATE);
	boost_meet(ctx, sk, steering->source_workload, 0, key, false);
	bpf_map_delete_elem(&handoff, key);
}

/* The server's accepted socket learns its real client. */
static __always_inline bool take_announcement(struct bpf_sock_ops *ctx, struct bpf_sock *sk,
					      const struct tuple_key *key,
					      const struct workload *workload)
{
	struct announcement *announcement = bpf_map_lookup_elem(&announcements, key);
	struct ipcache_entry client = {};
	struct address address;

	if (!announcement)
		return false;
	if (workload) {
		__builtin_memcpy(address.byte, announcement->client_address, 16);
		client = ipcache_find(&address);
		connection_accept(sk, workload, &client, PATH_PROXIED);
		if (workload->flags & WORKLOAD_BOOST)
			boost_meet(ctx, sk, 0, workload->id, key, false);
	}
	bpf_sk_storage_get(&announced, sk, announcement, BPF_SK_STORAGE_GET_F_CREATE);
	bpf_map_delete_elem(&announcements, key);
	return true;
}

/*
 * A governed workload accepted a connection. One from this node was judged, and is counted and
 * recorded, at its client's end: the server's has a storage of its own only for requests that are
 * read, and for boost. A storage is the dearest thing that a short connection pays for.
 */
static __always_inline void passive_direct(struct bpf_sock_ops *ctx, struct bpf_sock *sk,
					   const struct tuple_key *key,
					   const struct workload *workload)
{
	struct address local = local_address(ctx), remote = remote_address(ctx);
	struct connection *connection;
	struct ipcache_entry peer;
	struct policy_side side = {
		.workload = workload->id,
		.flags = workload->flags,
		.direction = DIRECTION_INGRESS,
		.protocol = IPPROTO_TCP,
		.port = ctx->local_port,
	};
	struct policy_verdict ingress;
	bool boosts, reads;
	__u64 epoch;

	if (address_is_loopback(&remote) || address_equal(&local, &remote))
		return;
	peer = ipcache_find(&remote);
	if (peer.workload == workload->id)
		return;
	boosts = peer.flags & workload->flags & WORKLOAD_BOOST;
	if (peer.workload && !boosts && !port_may_be_read(side.port))
		return;
	side.peer = peer.identity;
	epoch = inline_epoch();
	ingress = policy_decide(&side);
	reads = policy_reads(&ingress);
	if (reads)
		passive_inline(ctx, sk, key, workload, &peer, &ingress, epoch);
	if (boosts && (reads || ingress.action == ACTION_ALLOW))
		boost_meet(ctx, sk, peer.workload, workload->id, key, reads);
	if (peer.workload)
		return;
	connection = connection_accept(sk, workload, &peer, reads ? PATH_INLINE : PATH_DIRECT);
	if (!connection)
		return;
	connection->recorded = 1;
	connection->ingress_rule = ingress.rule;
	if (ingress.audit == AUDIT_DENY)
		connection->verdict = VERDICT_AUDITED;
	if (workload->flags & WORKLOAD_INGRESS_SELECTED)
		verdict_count(ingress.rule, DIRECTION_INGRESS, connection->verdict);
	opened(ctx, connection);
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
}

static __always_inline void passive_established(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	__u64 netns = bpf_get_netns_cookie(ctx);
	struct workload *workload = workload_of_netns(netns);
	struct tuple_key key = {};

	if (!workload && !bpf_map_lookup_elem(&outbound_ports, &netns))
		return;
	tuple_of(ctx, false, &key);
	if (socket_is_own(sk)) {
		take_handoff(ctx, sk, &key);
		return;
	}
	if (!take_announcement(ctx, sk, &key, workload) && workload)
		passive_direct(ctx, sk, &key, workload);
}

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
	struct flow_record record = {};
	struct tcp_sock *tcp;

	if (connection->path == PATH_PROXIED && connection->established) {
		drop_handoff(ctx);
		return;
	}
	record_of(ctx, connection, &record);
	record.kind = FLOW_CLOSE;
	record.duration = record.time - connection->start;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (tcp) {
		bool connecting = connection->direction == DIRECTION_EGRESS;

		connection_bytes(tcp, connecting, &record);
		record.closer = closer_of(tcp, ctx->args[0], connecting);
	}
	if (connection->boost)
		boost_bytes(ctx, sk, &record);
	record.rtt = ctx->srtt_us >> 3;
	record.retransmits = ctx->total_retrans;
	if (connection->established) {
		flow_emit_allowed(&record);
		return;
	}
	if (connection->path == PATH_PROXIED) {
		/* Steered, and nobody listened: the proxy is away. Refused all the same. */
		struct steering *steering = bpf_sk_storage_get(&client_steering, sk, 0, 0);

		if (steering) {
			__builtin_memcpy(record.destination_address, steering->address, 16);
			record.destination_port = steering->port;
		}
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
	if (connection && connection->recorded)
		recorded_closed(ctx, sk, connection);
	if (!opening || connection->boost)
		boost_closed(ctx, sk);
}

SEC("sockops")
int tcp_lifecycle(struct bpf_sock_ops *ctx)
{
	__u32 op = ctx->op;
	struct bpf_sock *sk;

	/* A connection calls some dozen times: what isn't of interest goes first. */
	if (op == BPF_SOCK_OPS_STATE_CB
		    ? ctx->args[1] != BPF_TCP_CLOSE
		    : op < BPF_SOCK_OPS_TCP_CONNECT_CB || op > BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
		return 1;
	sk = ctx->sk;
	if (!sk)
		return 1;
	switch (op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		if (bpf_sk_storage_get(&connections, sk, 0, 0))
			bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags |
							       BPF_SOCK_OPS_STATE_CB_FLAG);
		break;
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		active_established(ctx, sk);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		passive_established(ctx, sk);
		break;
	case BPF_SOCK_OPS_STATE_CB:
		closed(ctx, sk);
		break;
	}
	return 1;
}

char _license[] SEC("license") = "Dual BSD/GPL";
