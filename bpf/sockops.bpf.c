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
#include "lib/asked.h"
#include "lib/boost.h"
#include "lib/closed.h"
#include "lib/proxied.h"
#include "lib/read-ports.h"
#include "lib/sock-ops.h"
#include "lib/stream-begin.h"

/* `steering`: of a client's socket whose other end is the proxy. */
static __always_inline void opened(struct bpf_sock_ops *ctx, struct connection *connection,
				   const struct steering *steering)
{
	struct flow_record record = {};

	connection->established = 1;
	record_of(ctx, connection, &record);
	steered_ends(connection, steering, &record);
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

/* What the other end of a client's connection is to know goes by the 4-tuple. */
static __always_inline void tell_other_end(struct bpf_sock_ops *ctx, struct bpf_sock *sk,
					   struct connection *connection, struct steering *steering)
{
	bool asks = connection && connection->path == PATH_INLINE && connection->service;
	struct tuple_key key = {};

	if (!steering && !asks && !(connection && connection->boost))
		return;
	tuple_of(ctx, true, &key);
	if (asks)
		asked_tell(ctx, connection, &key);
	if (steering && bpf_map_update_elem(&handoff, &key, steering, BPF_ANY))
		drop_count(REASON_STEER_FAILED);
	if (connection && connection->boost)
		boost_offer(ctx, sk, connection->source_workload,
			    connection->path == PATH_PROXIED ? 0 : connection->destination_workload,
			    &key);
}

static __always_inline void active_established(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct connection *connection = bpf_sk_storage_get(&connections, sk, 0, 0);
	struct steering *steering = NULL;

	if (!connection || connection->path == PATH_PROXIED)
		steering = bpf_sk_storage_get(&client_steering, sk, 0, 0);
	if (connection)
		opened(ctx, connection, steering);
	else
		proxy_established(ctx, sk);
	tell_other_end(ctx, sk, connection, steering);
}

/*
 * The proxy's accepted socket gets the word of the connect hook. False: there is none, its client
 * is not on this node.
 */
static __always_inline bool take_handoff(struct bpf_sock_ops *ctx, struct bpf_sock *sk,
					 const struct tuple_key *key)
{
	struct steering *steering = bpf_map_lookup_elem(&handoff, key);

	if (!steering)
		return false;
	bpf_sk_storage_get(&steered, sk, steering, BPF_SK_STORAGE_GET_F_CREATE);
	boost_meet(ctx, sk, steering->source_workload, 0, key, false);
	bpf_map_delete_elem(&handoff, key);
	return true;
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

/* Its client is not on this node: this end is counted and recorded. */
static __always_inline void remote_accepted(struct bpf_sock_ops *ctx, struct bpf_sock *sk,
					    const struct workload *workload,
					    const struct ipcache_entry *peer,
					    const struct policy_verdict *ingress, __u8 path)
{
	struct connection *connection = connection_accept(sk, workload, peer, path);

	if (!connection)
		return;
	connection->recorded = 1;
	connection->ingress_rule = ingress->rule;
	if (ingress->audit == AUDIT_DENY)
		connection->verdict = VERDICT_AUDITED;
	if (path != PATH_PROXIED && workload->flags & WORKLOAD_INGRESS_SELECTED)
		verdict_count(ingress->rule, DIRECTION_INGRESS, connection->verdict);
	opened(ctx, connection, NULL);
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
}

/* The proxy accepted a connection in the place of a workload. */
static __always_inline void passive_proxied(struct bpf_sock_ops *ctx, struct bpf_sock *sk,
					    const struct workload *workload)
{
	struct address remote = remote_address(ctx);
	struct ipcache_entry peer = ipcache_find(&remote);
	struct policy_side side = {
		.workload = workload->id,
		.flags = workload->flags,
		.peer = peer.identity,
		.direction = DIRECTION_INGRESS,
		.protocol = IPPROTO_TCP,
		.port = ctx->local_port,
	};
	struct policy_verdict ingress;

	/* Loopback: a process of the pod itself, which gets nowhere. */
	if (address_is_loopback(&remote) || peer.workload)
		return;
	ingress = policy_decide(&side);
	remote_accepted(ctx, sk, workload, &peer, &ingress, PATH_PROXIED);
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
	remote_accepted(ctx, sk, workload, &peer, &ingress, reads ? PATH_INLINE : PATH_DIRECT);
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
		if (!take_handoff(ctx, sk, &key) && workload)
			passive_proxied(ctx, sk, workload);
		return;
	}
	if (!take_announcement(ctx, sk, &key, workload) && workload)
		passive_direct(ctx, sk, &key, workload);
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
