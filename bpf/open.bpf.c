// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Iterator over sockets, begun by the agent in each namespace now and then: what
 * each open connection has carried so far.
 *
 * Stance: it judges nothing and changes nothing. Of a connection it reports the
 * end that records: its close comes, too.
 */
#include "lib/boost.h"
#include "lib/connection.h"
#include "lib/end.h"
#include "lib/proxied.h"

/* A connection as it stands, on the end that records. */
static __always_inline void report(const struct connection *connection, struct sock_common *common,
				   struct tcp_sock *tcp, const struct end *end,
				   struct flow_record *record)
{
	bool connecting = connection->direction == DIRECTION_EGRESS;

	record->time = bpf_ktime_get_ns();
	record->connection = bpf_get_socket_cookie(common);
	record->duration = record->time - connection->start;
	connection_bytes(tcp, connecting, record);
	record->service = connection->service;
	address_copy(record->source_address, connecting ? &end->local : &end->remote);
	address_copy(record->destination_address, connecting ? &end->remote : &end->local);
	record->source_port = connecting ? end->local_port : end->remote_port;
	record->destination_port = connecting ? end->remote_port : end->local_port;
	record->source_identity = connection->source_identity;
	record->destination_identity = connection->destination_identity;
	record->source_workload = connection->source_workload;
	record->destination_workload = connection->destination_workload;
	record->egress_rule = connection->egress_rule;
	record->ingress_rule = connection->ingress_rule;
	record->rtt = tcp->srtt_us >> 3;
	record->retransmits = tcp->total_retrans;
	record->kind = FLOW_OPEN;
	record->verdict = connection->verdict;
	record->direction = connection->direction;
	record->path = connection->path;
	record->protocol = IPPROTO_TCP;
	record->family = address_is4(&end->remote) ? 4 : 6;
	if (connection->boost)
		boost_bytes(bpf_sk_storage_get(&boost_ends, common, 0, 0), record);
}

SEC("iter/tcp")
int report_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;
	struct end end = { .protocol = IPPROTO_TCP };
	struct connection *connection;
	struct flow_record record = {};
	struct tcp_sock *tcp;

	if (!common || !(1 << common->skc_state & LIVING_STATES))
		return 0;
	tcp = bpf_skc_to_tcp_sock(common);
	if (!tcp)
		return 0;
	connection = bpf_sk_storage_get(&connections, common, 0, 0);
	if (!connection || !connection->recorded || !connection->established)
		return 0;
	end_read(&end, common, &tcp->inet_conn.icsk_inet);
	report(connection, common, tcp, &end, &record);
	if (record.path == PATH_PROXIED)
		steered_ends(connection, bpf_sk_storage_get(&client_steering, common, 0, 0),
			     &record);
	bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
