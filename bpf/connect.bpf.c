// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * cgroup/connect4, connect6: a governed workload opens a connection, or fixes
 * the peer of a datagram socket.
 *
 * Stance: not enrolled = allow; of a pod that the agent has not met, as the
 * setting `pending` says. Enrolled: whatever can't be decided or
 * remembered is refused and counted. A refused connect() fails at once with
 * EPERM, and one to a Service that nobody serves with ECONNREFUSED.
 */
#include "lib/boost.h"
#include "lib/connection.h"
#include "lib/pending.h"
#include "lib/service.h"
#include "lib/steer.h"
#include "lib/udp.h"

static __always_inline int refuse(struct attempt *attempt, struct bpf_sock *sk, __u64 cookie)
{
	attempt_count(attempt);
	attempt_refused(attempt, sk, cookie);
	return HOOK_DENY;
}

static __always_inline int refuse_for(struct attempt *attempt, struct bpf_sock *sk, __u64 cookie,
				      __u16 reason)
{
	attempt->reason = reason;
	/* Not a verdict of the rules that asked for it. */
	attempt_refused(attempt, sk, cookie);
	return HOOK_DENY;
}

/*
 * The listener's entry goes with its socket. Without it the port may be
 * anybody's by now, who would be given what the client says.
 */
static __always_inline bool proxy_listens(__u64 netns, __u32 family)
{
	struct listener_key key = { .netns = netns,
				    .family = family,
				    .direction = DIRECTION_EGRESS };
	struct bpf_sock *listener = bpf_map_lookup_elem(&listeners, &key);

	if (!listener)
		return false;
	bpf_sk_release(listener);
	return true;
}

static __always_inline __u16 proxy_port(__u64 netns, __u32 family)
{
	__u32 *port = bpf_map_lookup_elem(&outbound_ports, &netns);

	return port && *port && proxy_listens(netns, family) ? *port : 0;
}

/* Keeps the original destination. Returns the proxy's port, 0 when refused. */
static __always_inline __u16 steer(struct attempt *attempt, struct bpf_sock *sk, __u64 cookie,
				   __u64 netns)
{
	__u16 port = proxy_port(netns, attempt->family);
	struct steering *steering;

	if (sk->bound_dev_if) {
		refuse_for(attempt, sk, cookie, REASON_DEVICE_BOUND);
		return 0;
	}
	if (!port) {
		refuse_for(attempt, sk, cookie, REASON_PROXY_UNAVAILABLE);
		return 0;
	}
	steering = bpf_sk_storage_get(&client_steering, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!steering) {
		refuse_for(attempt, sk, cookie, REASON_STEER_FAILED);
		return 0;
	}
	steering->client_cookie = cookie;
	steering->netns = netns;
	address_copy(steering->address, &attempt->destination);
	steering->port = attempt->port;
	steering->family = attempt->family;
	steering->service = attempt->service;
	steering->source_workload = attempt->workload;
	steering->source_identity = attempt->identity;
	steering->destination_workload = attempt->peer.workload;
	steering->destination_identity = attempt->peer.identity;
	steering->egress_rule = attempt->egress.rule;
	steering->ingress_rule = attempt->ingress.rule;
	if (!connection_begin(sk, attempt, PATH_PROXIED)) {
		refuse_for(attempt, sk, cookie, REASON_STATE_NOT_KEPT);
		return 0;
	}
	return port;
}

/* The peer of a datagram socket is fixed: its answers are let in, the flow is recorded once. */
static __always_inline int connect_datagram(struct attempt *attempt, struct bpf_sock *sk,
					    __u64 cookie)
{
	/* Layer 7 rules speak of TCP alone: the table has no ACTION_PROXY for UDP. */
	if (attempt->action != ACTION_ALLOW)
		return refuse_for(attempt, sk, cookie, REASON_POLICY_STATE_MISSING);
	if (!connection_begin(sk, attempt, PATH_DIRECT))
		return refuse_for(attempt, sk, cookie, REASON_STATE_NOT_KEPT);
	if (!udp_peer_remember(sk, &attempt->destination, attempt->port))
		return HOOK_ALLOW;
	attempt_count(attempt);
	attempt_allowed(attempt, sk, cookie);
	return HOOK_ALLOW;
}

/* Puts a backend into the place of a Service. False: it has none, and the connection is refused. */
static __always_inline bool resolve(struct attempt *attempt, struct bpf_sock *sk, __u64 cookie,
				    __u64 netns)
{
	struct service *service = service_find(attempt);

	if (!service || service_pick(attempt, service, netns))
		return true;
	attempt->peer = ipcache_find(&attempt->destination);
	refuse_for(attempt, sk, cookie, REASON_SERVICE_NO_BACKEND);
	bpf_set_retval(-ECONNREFUSED);
	return false;
}

/* Returns 0 refused, 1 direct, else the port of the proxy to steer to. */
static __always_inline int connect(struct bpf_sock_addr *ctx, struct bpf_sock *sk,
				   struct attempt *attempt)
{
	__u64 netns = bpf_get_netns_cookie(ctx), cookie;
	struct workload *workload = workload_of_netns(netns);
	__u16 port;

	if (workload && address_is_loopback(&attempt->destination))
		workload = NULL; /* the pod's own loopback is the pod's own affair */
	else if (!workload)
		workload = workload_of_task();
	/* A socket may be connected again (AF_UNSPEC in between): forget what it was. */
	bpf_sk_storage_delete(&client_steering, sk);
	if (!bpf_sk_storage_delete(&connections, sk))
		bpf_sk_storage_delete(&service_peer, sk);
	if (socket_is_own(sk))
		return HOOK_ALLOW;
	cookie = bpf_get_socket_cookie(ctx);
	attempt->protocol = ctx->protocol;
	if (!workload) {
		if (address_is_loopback(&attempt->destination) || !pending_refuses(netns, true))
			return HOOK_ALLOW;
		return refuse_for(attempt, sk, cookie, REASON_WORKLOAD_PENDING);
	}
	attempt_from(attempt, workload);
	if (!resolve(attempt, sk, cookie, netns))
		return HOOK_DENY;
	attempt_decide(attempt);
	if (attempt->action == ACTION_DENY)
		return refuse(attempt, sk, cookie);
	if (boost_holds(sk))
		return refuse_for(attempt, sk, cookie, REASON_BOOST_RECONNECT);
	if (attempt->protocol == IPPROTO_UDP)
		return connect_datagram(attempt, sk, cookie);
	if (attempt_only_reports(attempt) &&
	    (sk->bound_dev_if || !proxy_port(netns, attempt->family)))
		attempt->action = ACTION_ALLOW;
	if (attempt->action != ACTION_PROXY) {
		if (!connection_begin(sk, attempt, attempt_path(attempt)))
			return refuse_for(attempt, sk, cookie, REASON_STATE_NOT_KEPT);
		attempt_count(attempt);
		return HOOK_ALLOW;
	}
	port = steer(attempt, sk, cookie, netns);
	if (port)
		attempt_count(attempt);
	return port;
}

/* What the program asked for, as getpeername() shows it. */
static __always_inline bool keep_service(struct bpf_sock_addr *ctx, struct bpf_sock *sk,
					 struct attempt *attempt, const struct address *asked)
{
	if (service_keep(sk, asked, bpf_ntohs(ctx->user_port), attempt))
		return true;
	refuse_for(attempt, sk, bpf_get_socket_cookie(ctx), REASON_STATE_NOT_KEPT);
	return false;
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct attempt attempt = { .family = 4 };
	int port;

	if (!sk || (ctx->protocol != IPPROTO_TCP && ctx->protocol != IPPROTO_UDP))
		return HOOK_ALLOW;
	attempt.destination = address_from4(ctx->user_ip4);
	attempt.port = bpf_ntohs(ctx->user_port);
	port = connect(ctx, sk, &attempt);
	if (!port)
		return HOOK_DENY;
	if (attempt.service) {
		struct address asked = address_from4(ctx->user_ip4);

		if (!keep_service(ctx, sk, &attempt, &asked))
			return HOOK_DENY;
		ctx->user_ip4 = attempt.destination.word[3];
		ctx->user_port = bpf_htons(attempt.port);
	}
	if (port == HOOK_ALLOW)
		return HOOK_ALLOW;
	ctx->user_ip4 = bpf_htonl(0x7f000001);
	ctx->user_port = bpf_htons(port);
	return HOOK_ALLOW;
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct attempt attempt = {};
	bool mapped;
	int port;

	if (!sk || (ctx->protocol != IPPROTO_TCP && ctx->protocol != IPPROTO_UDP))
		return HOOK_ALLOW;
	attempt.destination = address_from6(ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2],
					    ctx->user_ip6[3]);
	attempt.port = bpf_ntohs(ctx->user_port);
	mapped = address_is4(&attempt.destination);
	attempt.family = mapped ? 4 : 6;
	port = connect(ctx, sk, &attempt);
	if (!port)
		return HOOK_DENY;
	if (attempt.service) {
		struct address asked = address_from6(ctx->user_ip6[0], ctx->user_ip6[1],
						     ctx->user_ip6[2], ctx->user_ip6[3]);

		if (!keep_service(ctx, sk, &attempt, &asked))
			return HOOK_DENY;
		ctx->user_ip6[0] = attempt.destination.word[0];
		ctx->user_ip6[1] = attempt.destination.word[1];
		ctx->user_ip6[2] = attempt.destination.word[2];
		ctx->user_ip6[3] = attempt.destination.word[3];
		ctx->user_port = bpf_htons(attempt.port);
	}
	if (port == HOOK_ALLOW)
		return HOOK_ALLOW;
	ctx->user_ip6[0] = 0;
	ctx->user_ip6[1] = 0;
	ctx->user_ip6[2] = mapped ? bpf_htonl(0xffff) : 0;
	ctx->user_ip6[3] = mapped ? bpf_htonl(0x7f000001) : bpf_htonl(1);
	ctx->user_port = bpf_htons(port);
	return HOOK_ALLOW;
}

char _license[] SEC("license") = "Dual BSD/GPL";
