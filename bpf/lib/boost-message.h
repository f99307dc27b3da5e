// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_BOOST_MESSAGE_H
#define PERIGEE_LIB_BOOST_MESSAGE_H

#include "lib/boost-sockets.h"
#include "lib/boost-requests.h"

/* Whether a message goes past TCP. The rules stand in docs/design/boost.md. */

#define OUTRUN_BYTES   (4U << 20)
#define SMALL_BYTES    1024
#define SMALL_MESSAGES 64

/* enum boost_outcome of a message */
static __always_inline __u32 boost_redirect(struct sk_msg_md *msg, struct tcp_sock *mine,
					    struct boost_sent *sent, const struct boost_side *other,
					    struct boosted_stream *asked, bool alone)
{
	struct tcp_sock *peer;
	__u32 waiting, room, size = msg->size;

	if (mine->snd_una != mine->write_seq)
		return BOOST_IN_FLIGHT;
	peer = bpf_rdonly_cast((void *)other->socket, bpf_core_type_id_kernel(struct tcp_sock));
	if (cookie_of(peer) != other->cookie)
		return BOOST_PEER_GONE;
	if (peer->rcv_nxt != peer->copied_seq)
		return BOOST_UNREAD;
	if (!other->reads)
		return BOOST_FIRST_BYTES;
	waiting = peer->inet_conn.icsk_inet.sk.sk_backlog.rmem_alloc.counter;
	room = peer->inet_conn.icsk_inet.sk.sk_rcvbuf;
	if (waiting >= room / 4 || waiting + size > room / 2)
		return BOOST_QUEUE_FULL;
	if (!waiting)
		sent->queued = 0;
	if (size < SMALL_BYTES) {
		if (sent->queued >= SMALL_MESSAGES)
			return BOOST_MANY_SMALL;
		sent->queued++;
	}
	if (asked) {
		__u32 outcome = boost_request(msg, peer, asked, other->cookie, alone);

		if (outcome != BOOST_REDIRECTED)
			return outcome;
	}
	if (bpf_msg_redirect_hash(msg, &boost_sockets, (void *)&other->cookie, BPF_F_INGRESS) !=
	    SK_PASS) {
		if (asked)
			asked->stream.unsure = 1; /* it's read again by TCP */
		return BOOST_PEER_GONE;
	}
	sent->bytes += size;
	return BOOST_REDIRECTED;
}

/*
 * Once a writer has filled its reader's queue and goes on, all it writes takes TCP, dearer than
 * without a map: such a connection leaves it.
 */
SUBPROGRAM int boost_took_tcp(struct boost_pair *pair, __u32 side, __u32 size)
{
	struct boost_sent *sent = &pair->sent[side & 1];
	struct boost_side *other = &pair->side[~side & 1];

	sent->tcp_bytes += size;
	if (sent->tcp_bytes > OUTRUN_BYTES && sent->tcp_bytes > sent->bytes) {
		boost_refused(pair->side[side & 1].workload, BOOST_OUTRUN);
		boost_stop(pair, BOOST_LEAVING);
		boost_call();
	}
	if (other->mixed)
		return 0;
	other->mixed = 1;
	boost_call();
	return 0;
}

static __always_inline void boost_from_client(struct sk_msg_md *msg, struct tcp_sock *mine,
					      struct boost_pair *pair)
{
	const struct boost_side *other = &pair->side[1];
	struct boosted_stream *asked = NULL;
	bool alone = true;
	__u32 outcome;

	if (pair->http) {
		asked = bpf_map_lookup_elem(&boosted_streams, &other->cookie);
		/* Not read any more: as a direct one, once policy was asked since it changed. */
		if (!asked || (asked->stream.opaque && asked->stream.epoch != inline_epoch()))
			return;
		alone = insertions_over(asked, other->cookie, mine);
	}
	if (asked && asked->stream.opaque)
		asked = NULL;
	outcome = boost_redirect(msg, mine, &pair->sent[0], other, asked, alone);
	boost_count(outcome);
	if (outcome != BOOST_REDIRECTED)
		boost_took_tcp(pair, 0, msg->size);
}

static __always_inline void boost_from_server(struct sk_msg_md *msg, struct tcp_sock *mine,
					      struct boost_pair *pair)
{
	struct boosted_stream *answered = NULL;
	__u32 outcome;

	if (pair->http) {
		answered = bpf_map_lookup_elem(&boosted_streams, &pair->side[1].cookie);
		if (!answered || answered->stream.refused)
			return; /* egress drops it */
	}
	outcome = boost_redirect(msg, mine, &pair->sent[1], &pair->side[0], NULL, false);
	boost_count(outcome);
	if (outcome != BOOST_REDIRECTED)
		boost_took_tcp(pair, 1, msg->size);
	else if (answered)
		boost_response(msg, answered);
}

#endif
