// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * sk_lookup, one instance per enrolled network namespace: a SYN arrives for a
 * listener there. Loaded once per namespace with that namespace's names in
 * read-only data, because this hook can't ask for the cookie and an address
 * could be forged by the pod.
 *
 * Stance: the pod's own loopback and its own address = pass (and that is the
 * loop guard: the proxy's upstream connections come from the same address).
 * Refused = the SYN is answered with RST. State missing = refuse.
 */
#include "lib/announce.h"
#include "lib/attempt.h"
#include "lib/steer.h"

const volatile __u64 netns_cookie = 0;

/* Linux's default of ip_local_port_range. */
#define EPHEMERAL_FIRST 32768

static __always_inline void lookup_flow(struct bpf_sk_lookup *ctx, const struct policy_side *side,
					const struct tuple_key *key,
					const struct ipcache_entry *peer,
					const struct policy_verdict *ingress,
					struct flow_record *record)
{
	record->time = bpf_ktime_get_ns();
	__builtin_memcpy(record->source_address, key->source_address, 16);
	__builtin_memcpy(record->destination_address, key->destination_address, 16);
	record->source_port = key->source_port;
	record->destination_port = key->destination_port;
	record->source_identity = peer->identity;
	record->source_workload = peer->workload;
	record->destination_workload = side->workload;
	record->ingress_rule = ingress->rule;
	record->kind = FLOW_VERDICT;
	record->verdict = VERDICT_DENIED;
	record->direction = DIRECTION_INGRESS;
	record->path = PATH_DIRECT;
	record->protocol = IPPROTO_TCP;
	record->family = ctx->family == AF_INET ? 4 : 6;
}

static __always_inline int assign(struct bpf_sk_lookup *ctx)
{
	struct listener_key key = {
		.netns = netns_cookie,
		.family = ctx->family == AF_INET ? 4 : 6,
		.direction = DIRECTION_INGRESS,
	};
	struct bpf_sock *listener = bpf_map_lookup_elem(&listeners, &key);
	long error;

	if (!listener)
		return -1;
	/* A root process of the pod could join a reuseport group: never choose from it. */
	error = bpf_sk_assign(ctx, listener, BPF_SK_LOOKUP_F_NO_REUSEPORT);
	bpf_sk_release(listener);
	return error;
}

SEC("sk_lookup")
int lookup(struct bpf_sk_lookup *ctx)
{
	struct address local, remote;
	struct policy_verdict ingress;
	struct flow_record record = {};
	struct policy_side side = { .direction = DIRECTION_INGRESS, .protocol = IPPROTO_TCP };
	struct tuple_key key = { .netns = netns_cookie };
	struct workload *workload;
	struct ipcache_entry peer;

	if (ctx->protocol != IPPROTO_TCP)
		return SK_PASS; /* datagrams: packet.bpf.c */
	if (ctx->family == AF_INET) {
		local = address_from4(READ32(ctx, local_ip4));
		remote = address_from4(READ32(ctx, remote_ip4));
	} else {
		local = address_from6(READ32(ctx, local_ip6[0]), READ32(ctx, local_ip6[1]),
				      READ32(ctx, local_ip6[2]), READ32(ctx, local_ip6[3]));
		remote = address_from6(READ32(ctx, remote_ip6[0]), READ32(ctx, remote_ip6[1]),
				       READ32(ctx, remote_ip6[2]), READ32(ctx, remote_ip6[3]));
	}
	if (address_is_loopback(&local) || address_equal(&local, &remote))
		return SK_PASS;
	workload = workload_of_netns(netns_cookie);
	if (!workload) {
		drop_count(REASON_WORKLOAD_UNKNOWN);
		return SK_DROP;
	}
	if (!(workload->flags & WORKLOAD_INGRESS_SELECTED))
		return SK_PASS;
	peer = ipcache_find(&remote);
	side.workload = workload->id;
	side.flags = workload->flags;
	side.peer = peer.identity;
	side.port = ctx->local_port;
	if (peer.workload == workload->id)
		return SK_PASS;
	ingress = policy_decide(&side);
	if (ingress.action == ACTION_ALLOW || policy_reads(&ingress))
		return SK_PASS; /* inline: its requests are judged as they arrive */
	address_copy(key.source_address, &remote);
	address_copy(key.destination_address, &local);
	key.source_port = bpf_ntohs(ctx->remote_port);
	key.destination_port = ctx->local_port;
	if (bpf_map_lookup_elem(&announcements, &key))
		return SK_PASS; /* the proxy has judged both sides */
	lookup_flow(ctx, &side, &key, &peer, &ingress, &record);
	record.destination_identity = workload->identity;
	if (ingress.action == ACTION_DENY && ctx->local_port >= EPHEMERAL_FIRST) {
		/* Mostly what comes late for a client's connection that is gone: not worth a record
		 * each. */
		drop_count(REASON_STRAY_SEGMENT);
		return SK_DROP;
	}
	if (ingress.action == ACTION_PROXY) {
		if (!assign(ctx) || !policy_enforces_requests(&ingress))
			return SK_PASS;
		record.reason = REASON_PROXY_UNAVAILABLE;
	} else {
		record.reason = ingress.reason;
	}
	verdict_count(ingress.rule, DIRECTION_INGRESS, VERDICT_DENIED);
	flow_emit_denied(&record);
	return SK_DROP;
}

char _license[] SEC("license") = "Dual BSD/GPL";
