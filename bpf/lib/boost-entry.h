// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_BOOST_ENTRY_H
#define PERIGEE_LIB_BOOST_ENTRY_H

#include "lib/boost-sockets.h"
#include "lib/boosted-stream.h"

/* Who may enter the map of sockets, and how one leaves it. */

/* Linux 6.5. */
extern const void ep_poll_callback __ksym __weak;
extern const void pollwake __ksym __weak;
extern int bpf_sock_destroy(struct sock_common *sk) __weak __ksym;

/* A field that not every kernel has. */
struct tcp_sock___multipath {
	bool is_mptcp;
} __attribute__((preserve_access_index));

#define O_NONBLOCK  00004000
#define SOL_SOCKET  1
#define SO_RCVLOWAT 18
#define DRAIN_NS    20000000ULL /* a message that was on its way when leaving began */
#define PATIENCE_NS (5 * NS_PER_SECOND) /* for a server that accepts late */
#define BLOCKING_NS NS_PER_SECOND /* for a socket that is made non-blocking after the fact */
#define HURRY_NS    NS_PER_SECOND /* so long who leaves is looked at again soon */
#define BULK_BYTES  (128U << 10) /* in flight: who has more isn't waiting for answers */

/* A workload that reads with splice somewhere may do so anywhere. */
static __always_inline bool boost_splices(__u32 workload)
{
	struct boost_refusal_key key = { .workload = workload, .outcome = BOOST_SPLICE };

	return bpf_map_lookup_elem(&boost_refusals, &key);
}

#define WAITERS	       8
#define EDGE_TRIGGERED (1U << 31) /* EPOLLET */

enum waiter {
	WAITER_LEVEL, /* is told again for as long as something is there */
	WAITER_EDGE,
	WAITER_UNKNOWN,
};

/* How the socket's owner waits for events. */
static __always_inline enum waiter waiter_of(struct sock *sk)
{
	struct socket_wq *queue = sk->sk_wq;
	struct list_head *head = &queue->wait.head, *at = BPF_CORE_READ(head, next);
	enum waiter found = WAITER_LEVEL;

	for (int i = 0; i < WAITERS; i++) {
		struct wait_queue_entry *entry;
		struct eppoll_entry *epoll;
		const void *wake;

		if (at == head)
			return found;
		entry = (void *)at - bpf_core_field_offset(struct wait_queue_entry, entry);
		wake = BPF_CORE_READ(entry, func);
		epoll = (void *)entry - bpf_core_field_offset(struct eppoll_entry, wait);
		if (!wake || (wake != &pollwake && wake != &ep_poll_callback))
			return WAITER_UNKNOWN;
		if (wake == &ep_poll_callback &&
		    BPF_CORE_READ(epoll, base, event.events) & EDGE_TRIGGERED)
			found = WAITER_EDGE;
		at = BPF_CORE_READ(at, next);
	}
	return WAITER_UNKNOWN;
}

#define FIT  BOOST_OUTCOME_COUNT
#define WAIT (BOOST_OUTCOME_COUNT + 1)

/* FIT, WAIT, or enum boost_outcome: why this end can't bear to be in the map. */
static __always_inline __u32 boost_fitness(struct tcp_sock *tcp, const struct boost_side *self,
					   __u64 waited)
{
	struct sock *sk = &tcp->inet_conn.icsk_inet.sk;
	struct file *file;
	struct tcp_sock___multipath *multipath = (void *)tcp;

	if (sk->__sk_common.skc_state != TCP_ESTABLISHED)
		return BOOST_GONE;
	if (boost_splices(self->workload))
		return BOOST_SPLICE;
	/* Its own upper protocol is how Multipath TCP is made: it comes first. */
	if (bpf_core_field_exists(multipath->is_mptcp) && BPF_CORE_READ(multipath, is_mptcp))
		return BOOST_MULTIPATH;
	if (tcp->inet_conn.icsk_ulp_ops)
		return BOOST_UPPER_PROTOCOL;
	if (sk->sk_user_data && !self->entered)
		return BOOST_SOCKET_TAKEN;
	if (sk->__sk_common.skc_flags & 1UL << SOCK_ZEROCOPY)
		return BOOST_ZEROCOPY;
	if (sk->sk_rcvlowat > 1)
		return BOOST_LOW_WATER;
	file = sk->sk_socket ? sk->sk_socket->file : NULL;
	if (!file)
		return waited < PATIENCE_NS ? WAIT : BOOST_NOT_ACCEPTED;
	if (!(file->f_flags & O_NONBLOCK))
		return waited < BLOCKING_NS ? WAIT : BOOST_BLOCKING;
	return waiter_of(sk) == WAITER_UNKNOWN ? BOOST_UNKNOWN_WAITER : FIT;
}

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct boosted_stream);
} boost_moving SEC(".maps");

/*
 * From now on both ends reach the stream of the server's socket. Called under its lock, so that
 * nothing is sent meanwhile; what arrives meanwhile is dropped. Returns FIT, WAIT or enum
 * boost_outcome.
 */
SUBPROGRAM int stream_move(struct sock_common *common, const struct boost_pair *pair)
{
	struct http_stream *stream = bpf_sk_storage_get(&streams, common, 0, 0);
	__u32 zero = 0, outcome = FIT;
	struct boosted_stream *moving = bpf_map_lookup_elem(&boost_moving, &zero), *boosted;

	if (!stream || !moving || stream->refused)
		return BOOST_STREAM_LOST;
	if (stream->moved)
		return FIT;
	if (__sync_val_compare_and_swap(&stream->busy, 0, 1))
		return WAIT;
	moving->stream = *stream;
	moving->stream.busy = 1; /* until it is there as a whole */
	moving->client = pair->side[0].socket;
	moving->client_cookie = pair->side[0].cookie;
	moving->inserting = 0;
	if (bpf_map_update_elem(&boosted_streams, &pair->side[1].cookie, moving, BPF_ANY))
		outcome = BOOST_MAP_FULL;
	else
		stream->moved = 1;
	boosted = bpf_map_lookup_elem(&boosted_streams, &pair->side[1].cookie);
	if (boosted)
		boosted_give(boosted);
	__sync_fetch_and_and(&stream->busy, 0);
	return outcome;
}

/* An end can't bear it, so neither enters. True: the other has, and is to be looked at again. */
static __always_inline bool boost_unfit(struct boost_pair *pair, const struct boost_end *end,
					__u32 outcome)
{
	boost_stop(pair, BOOST_OFF);
	boost_refused(pair->side[end->side & 1].workload, outcome);
	return pair->side[~end->side & 1].entered;
}

/* Its writer is ahead of its reader: what it sends would take TCP, dearer than without a map. */
static __always_inline bool boost_bulk(const struct tcp_sock *tcp)
{
	return tcp->write_seq - tcp->snd_una > BULK_BYTES;
}

/* Both ends or neither. True: to be looked at again. */
static __always_inline bool boost_enter(struct boost_pair *pair, struct boost_end *end,
					struct sock_common *common, struct tcp_sock *tcp)
{
	struct boost_side *self = &pair->side[end->side & 1], *other = &pair->side[~end->side & 1];
	__u32 fitness = boost_fitness(tcp, self, bpf_ktime_get_ns() - pair->since);

	if (fitness == FIT && !other->entered && boost_bulk(tcp))
		fitness = BOOST_OUTRUN;
	if (fitness == WAIT)
		return true;
	if (fitness != FIT)
		return boost_unfit(pair, end, fitness);
	self->ready = 1;
	if (waiter_of(&tcp->inet_conn.icsk_inet.sk) == WAITER_EDGE)
		pair->edge = 1;
	if (!other->ready)
		return true;
	if (!self->entered) {
		if (pair->http && end->side) {
			fitness = stream_move(common, pair);
			if (fitness == WAIT)
				return true;
			if (fitness != FIT)
				return boost_unfit(pair, end, fitness);
		}
		if (bpf_map_update_elem(&boost_sockets, &self->cookie, tcp, BPF_NOEXIST))
			return boost_unfit(pair, end, BOOST_MAP_FULL);
		self->entered = 1;
		end->entered = 1;
	}
	if (!other->entered)
		return true;
	if (__sync_val_compare_and_swap(&pair->state, BOOST_WAITING, BOOST_ACTIVE) == BOOST_WAITING)
		boost_count(BOOST_ENTERED);
	return false;
}

/* Nothing waits at a socket that could get lost with its queue. */
static __always_inline bool boost_drained(struct tcp_sock *tcp)
{
	struct sock *sk = &tcp->inet_conn.icsk_inet.sk;
	__u64 tagged = (__u64)sk->sk_user_data;
	struct sk_psock *psock = (void *)(tagged & ~7ULL);
	struct list_head *next;

	if (!psock)
		return true;
	if (BPF_CORE_READ_INTO(&next, psock, ingress_msg.next))
		return false;
	return next == (void *)psock + bpf_core_field_offset(psock->ingress_msg);
}

/*
 * A read ends where the redirected bytes do, also if more lie in TCP's queue. Who is told of new
 * bytes once, and takes a short read for the end of them, would wait for ever: it is told again, as
 * the kernel does when low water falls. True: to be looked at again.
 */
static __always_inline bool boost_remind(struct boost_side *self, struct tcp_sock *tcp)
{
	int one = 1;

	if (!self->mixed)
		return false;
	self->mixed = 0; /* before it's looked at: what comes meanwhile asks again */
	if (!boost_drained(tcp)) {
		self->mixed = 1;
		return true;
	}
	if (tcp->rcv_nxt == tcp->copied_seq)
		return false;
	bpf_setsockopt(tcp, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one));
	boost_count(BOOST_REMINDED);
	self->mixed = 1;
	return true;
}

static __always_inline enum boost_look boost_leave(struct boost_pair *pair, struct boost_end *end,
						   struct sock_common *common, struct tcp_sock *tcp)
{
	struct boost_side *self = &pair->side[end->side & 1];
	enum boost_look look;
	__u64 waited;

	if (!self->entered)
		return LOOK_NO_MORE;
	waited = bpf_ktime_get_ns() - pair->since;
	look = waited < HURRY_NS ? LOOK_SOON : LOOK_AGAIN;
	if (waited < DRAIN_NS || !boost_drained(tcp)) {
		if (!end->spliced || waited < DRAIN_NS)
			return look;
		boost_refused(self->workload, BOOST_SPLICE_STUCK);
		return bpf_sock_destroy(common) ? LOOK_AGAIN : LOOK_NO_MORE;
	}
	/* Without the map's hold, a sender on its way would count as nobody. */
	if (pair->http && psock_holders(tcp) > PSOCK_IDLE)
		return look;
	bpf_map_delete_elem(&boost_sockets, &self->cookie);
	self->entered = 0;
	end->entered = 0;
	if (pair->side[~end->side & 1].entered)
		return look;
	pair->state = BOOST_OFF;
	boost_count(BOOST_LEFT);
	return LOOK_NO_MORE;
}

static __always_inline bool boost_wanted(const struct boost_settings *settings,
					 const struct sock_common *common, __u32 workload)
{
	struct workload *owner;

	if (!settings->enabled)
		return false;
	if (!workload)
		return true; /* the proxy leaves when the other end does */
	owner = workload_of_netns(BPF_CORE_READ(common, skc_net.net, net_cookie));
	return owner && owner->id == workload && owner->flags & WORKLOAD_BOOST;
}

#endif
