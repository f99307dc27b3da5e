// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Iterators over sockets, begun by the agent in each namespace: what is open,
 * and what policy no longer bears.
 *
 * Stance: every end is judged as if it were opened now, identities as of now.
 * A socket's storage says whose end it is. A server's whose client is on this
 * node has none, nor one that was open before its workload was enrolled: its
 * namespace or cgroup tells whose it is, and what the kernel kept of the
 * handshake tells which side. What the proxy holds, and what was steered to it,
 * the proxy judges by itself.
 */
#include "lib/connection.h"
#include "lib/boosted-stream.h"
#include "lib/cgroup.h"
#include "lib/end.h"
#include "lib/service.h"

/* Linux 6.5; older ones leave the closing to the caller. */
extern int bpf_sock_destroy(struct sock_common *sk) __weak __ksym;
const volatile __u32 can_destroy = 0;

enum walk {
	WALK_LIST, /* all governed ends */
	WALK_CLOSE, /* closes the forbidden; a connection within this node at its client's end, or
		       where its requests were to be read */
	WALK_REST, /* closes what is forbidden still, at either end */
};

/*
 * As if it were accepted now. Inline policy bears only what has been read from its first byte;
 * `*unread`: that is what is wrong with it, and the client's end knows nothing of it.
 */
static __always_inline bool accept_allowed(const struct end *end, const struct workload *workload,
					   bool is_read, bool *unread, struct flow_record *record)
{
	struct ipcache_entry peer = ipcache_find(&end->remote);
	struct policy_side side = {
		.workload = workload->id,
		.flags = workload->flags,
		.peer = peer.identity,
		.direction = DIRECTION_INGRESS,
		.protocol = end->protocol,
		.port = end->local_port,
	};
	struct policy_verdict ingress = policy_decide(&side);

	record->time = bpf_ktime_get_ns();
	address_copy(record->source_address, &end->remote);
	address_copy(record->destination_address, &end->local);
	record->source_port = end->remote_port;
	record->destination_port = end->local_port;
	record->source_identity = peer.identity;
	record->source_workload = peer.workload;
	record->destination_identity = workload->identity;
	record->destination_workload = workload->id;
	record->ingress_rule = ingress.rule;
	record->direction = DIRECTION_INGRESS;
	if (peer.workload == workload->id || policy_allows_direct(&ingress))
		return true;
	*unread = ingress.action == ACTION_INLINE && !is_read;
	return ingress.action == ACTION_INLINE && is_read;
}

/* As if it were opened now. */
static __always_inline bool open_allowed(const struct end *end, const struct workload *workload,
					 struct flow_record *record)
{
	struct attempt attempt = { .destination = end->remote,
				   .port = end->remote_port,
				   .protocol = end->protocol };

	attempt_from(&attempt, workload);
	attempt_decide(&attempt);
	attempt_flow(&attempt, record);
	address_copy(record->source_address, &end->local);
	record->source_port = end->local_port;
	if (attempt.action == ACTION_PROXY && policy_allows_direct(&attempt.egress))
		record->direction = DIRECTION_INGRESS; /* that side asks for what it has not */
	return attempt.action == ACTION_ALLOW || attempt_only_reports(&attempt);
}

/* Whose end it is; NULL: nobody's that policy speaks of. */
static __always_inline struct workload *owner_of(const struct end *end,
						 const struct connection *connection)
{
	struct workload *workload = workload_of_netns(end->netns);
	struct workload_key key = {};

	if (workload)
		return workload;
	if (connection) {
		key.id = connection->owner;
		key.kind = connection->owner_kind;
		workload = bpf_map_lookup_elem(&workloads, &key);
	}
	return workload ?: workload_of_cgroup(end->cgroup);
}

static __always_inline void report_of(const struct end *end, const struct workload *workload,
				      const struct flow_record *record,
				      struct open_connection *open)
{
	open->cookie = record->connection;
	address_copy(open->local_address, &end->local);
	address_copy(open->remote_address, &end->remote);
	open->local_port = end->local_port;
	open->remote_port = end->remote_port;
	open->workload = workload->id;
	open->peer = end->accepted ? record->source_identity : record->destination_identity;
	open->rule =
		record->direction == DIRECTION_EGRESS ? record->egress_rule : record->ingress_rule;
	open->direction = end->accepted ? DIRECTION_INGRESS : DIRECTION_EGRESS;
	open->path = record->path;
	open->protocol = end->protocol;
	open->family = end->family;
}

/* The record of a connection that ends here instead of in sockops. */
static __always_inline void closing(struct connection *connection, struct tcp_sock *tcp,
				    const struct end *end, struct flow_record *record)
{
	record->kind = FLOW_CLOSE;
	record->verdict = VERDICT_DENIED;
	if (!record->reason)
		record->reason = REASON_POLICY_CHANGED;
	if (tcp) {
		connection_bytes(tcp, !end->accepted, record);
		record->rtt = tcp->srtt_us >> 3;
		record->retransmits = tcp->total_retrans;
	}
	if (connection) {
		record->duration = record->time - connection->start;
		connection->recorded = 0;
	}
}

static __always_inline int visit(struct seq_file *seq, struct sock_common *common,
				 struct tcp_sock *tcp, struct end *end, enum walk walk)
{
	struct connection *connection = bpf_sk_storage_get(&connections, common, 0, 0);
	struct workload *workload = owner_of(end, connection);
	struct open_connection open = { .state = OPEN_ALLOWED };
	struct flow_record record = {};
	struct service_peer *asked;
	struct http_stream *stream;
	bool is_read, unread = false;
	__u8 path; /* of an accepted end that has a client on this node */

	if (!workload || bpf_sk_storage_get(&own_sockets, common, 0, 0))
		return 0;
	if (connection)
		end->accepted = connection->direction == DIRECTION_INGRESS;
	else if (workload->kind == WORKLOAD_NETNS &&
		 (address_is_loopback(&end->remote) || address_equal(&end->local, &end->remote)))
		return 0; /* the pod's own affair */
	if (end->accepted && workload->kind != WORKLOAD_NETNS)
		return 0; /* a cgroup is governed on egress alone */
	stream = bpf_sk_storage_get(&streams, common, 0, 0);
	path = stream ? PATH_INLINE : PATH_DIRECT;
	if (stream && stream->moved) {
		struct boosted_stream *boosted = boosted_of(stream);

		stream = boosted ? &boosted->stream : NULL;
	}
	is_read = stream && !stream->opaque && !stream->lenient;
	if (!(end->accepted ? accept_allowed(end, workload, is_read, &unread, &record)
			    : open_allowed(end, workload, &record)))
		open.state = OPEN_FORBIDDEN;
	record.connection = bpf_get_socket_cookie(common);
	record.path = connection ? connection->path : path;
	record.protocol = end->protocol;
	record.family = address_is4(&end->remote) ? 4 : 6;
	if (record.path == PATH_PROXIED)
		open.state = OPEN_ALLOWED;
	asked = bpf_sk_storage_get(&service_peer, common, 0, 0);
	if (asked) {
		record.service = asked->service;
		if (service_backend_gone(asked, end->protocol)) {
			open.state = OPEN_FORBIDDEN;
			record.reason = REASON_SERVICE_BACKEND_GONE;
		}
	}
	report_of(end, workload, &record, &open);
	if (walk == WALK_LIST) {
		bpf_seq_write(seq, &open, sizeof(open));
		return 0;
	}
	if (open.state == OPEN_ALLOWED)
		return 0;
	if (walk == WALK_CLOSE && end->accepted && record.source_workload && !unread)
		return 0;
	closing(connection, tcp, end, &record);
	if (can_destroy && !bpf_sock_destroy(common))
		open.state = OPEN_CLOSED;
	/* What found no room comes by again, unless it is gone by then. */
	if (bpf_seq_write(seq, &open, sizeof(open)) && open.state == OPEN_FORBIDDEN)
		return 0;
	flow_emit_denied(&record);
	return 0;
}

static __always_inline int visit_tcp(struct bpf_iter__tcp *ctx, enum walk walk)
{
	struct sock_common *common = ctx->sk_common;
	struct tcp_sock *tcp;
	struct end end = { .protocol = IPPROTO_TCP };

	if (!common || !(1 << common->skc_state & LIVING_STATES))
		return 0;
	if (common->skc_state == TCP_FIN_WAIT2 && common->skc_flags & 1UL << SOCK_DEAD)
		return 0; /* sent all, and nobody reads */
	tcp = bpf_skc_to_tcp_sock(common);
	if (!tcp)
		return 0;
	end_read(&end, common, &tcp->inet_conn.icsk_inet);
	return visit(ctx->meta->seq, common, tcp, &end, walk);
}

static __always_inline int visit_udp(struct bpf_iter__udp *ctx, enum walk walk)
{
	struct udp_sock *udp = ctx->udp_sk;
	struct end end = { .protocol = IPPROTO_UDP };
	struct sock_common *common;

	if (!udp)
		return 0;
	common = &udp->inet.sk.__sk_common;
	if (common->skc_state != TCP_ESTABLISHED)
		return 0; /* not connected: judged datagram by datagram */
	end_read(&end, common, &udp->inet);
	end.accepted = false;
	return visit(ctx->meta->seq, common, NULL, &end, walk);
}

SEC("iter/tcp")
int list_tcp(struct bpf_iter__tcp *ctx)
{
	return visit_tcp(ctx, WALK_LIST);
}

SEC("iter/udp")
int list_udp(struct bpf_iter__udp *ctx)
{
	return visit_udp(ctx, WALK_LIST);
}

SEC("iter/tcp")
int close_tcp(struct bpf_iter__tcp *ctx)
{
	return visit_tcp(ctx, WALK_CLOSE);
}

SEC("iter/tcp")
int close_rest_tcp(struct bpf_iter__tcp *ctx)
{
	return visit_tcp(ctx, WALK_REST);
}

SEC("iter/udp")
int close_udp(struct bpf_iter__udp *ctx)
{
	return visit_udp(ctx, WALK_CLOSE);
}

/* Cookies of the sockets that have a storage in one map. */
SEC("iter/bpf_sk_storage_map")
int list_cookies(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct sock *sk = ctx->sk;
	__u64 cookie;

	if (!sk)
		return 0;
	cookie = bpf_get_socket_cookie(sk);
	bpf_seq_write(ctx->meta->seq, &cookie, sizeof(cookie));
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
