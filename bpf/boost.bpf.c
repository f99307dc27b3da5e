// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Boost: sk_msg hands a message to the other end's socket past the TCP stack.
 * An iterator over sockets, run by the agent, lets connections in and out, and
 * a hook on splice keeps out those who read that way. The rules and what each
 * is there for stand in docs/design/boost.md.
 *
 * Stance: whatever isn't known to be safe takes TCP, where it's judged as ever.
 */
#define HTTP_FROM_MESSAGES
#include "lib/boost.h"
#include "lib/boost-requests.h"

/* By socket cookie, which no two sockets ever share. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, __u64);
	MAP_PINNED;
} boost_sockets SEC(".maps");

/* Linux 6.5. */
extern const void ep_poll_callback __ksym __weak;
extern const void pollwake __ksym __weak;
extern int bpf_sock_destroy(struct sock_common *sk) __weak __ksym;

/* Fields that not every kernel has. */
struct sk_psock___counted {
	__u32 msg_tot_len;
} __attribute__((preserve_access_index));
struct tcp_sock___multipath {
	bool is_mptcp;
} __attribute__((preserve_access_index));

#define O_NONBLOCK     00004000
#define SOL_SOCKET     1
#define SO_RCVLOWAT    18
#define OUTRUN_BYTES   (16U << 20)
#define SMALL_BYTES    1024
#define SMALL_MESSAGES 64
#define DRAIN_NS       20000000ULL /* a message that was on its way when leaving began */
#define PATIENCE_NS    (5 * NS_PER_SECOND) /* for a server that accepts late */
#define BLOCKING_NS    NS_PER_SECOND /* for a socket that is made non-blocking after the fact */

static __always_inline __u64 cookie_of(const struct tcp_sock *tcp)
{
	return tcp->inet_conn.icsk_inet.sk.__sk_common.skc_cookie.counter;
}

/* enum boost_outcome of a message */
static __always_inline __u32 boost_redirect(struct sk_msg_md *msg, struct tcp_sock *mine,
					    struct boost_side *self, const struct boost_side *other,
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
		self->queued = 0;
	if (size < SMALL_BYTES) {
		if (self->queued >= SMALL_MESSAGES)
			return BOOST_MANY_SMALL;
		self->queued++;
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
	self->bytes += size;
	return BOOST_REDIRECTED;
}

static __always_inline void boost_stop(struct boost_pair *pair, __u32 state)
{
	pair->since = bpf_ktime_get_ns();
	pair->state = state;
}

/*
 * Once a writer has filled its reader's queue and goes on, all it writes takes TCP, dearer than
 * without a map: such a connection leaves it.
 */
SUBPROGRAM int boost_took_tcp(struct boost_pair *pair, struct boost_side *self,
			      struct boost_side *other, __u32 size)
{
	self->tcp_bytes += size;
	if (self->tcp_bytes > OUTRUN_BYTES && self->tcp_bytes > self->bytes) {
		boost_refused(self->workload, BOOST_OUTRUN);
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
	struct boost_side *self = &pair->side[0], *other = &pair->side[1];
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
	outcome = boost_redirect(msg, mine, self, other, asked, alone);
	boost_count(outcome);
	if (outcome != BOOST_REDIRECTED)
		boost_took_tcp(pair, self, other, msg->size);
}

static __always_inline void boost_from_server(struct sk_msg_md *msg, struct tcp_sock *mine,
					      struct boost_pair *pair)
{
	struct boost_side *self = &pair->side[1], *other = &pair->side[0];
	struct boosted_stream *answered = NULL;
	__u32 outcome;

	if (pair->http) {
		answered = bpf_map_lookup_elem(&boosted_streams, &self->cookie);
		if (!answered || answered->stream.refused)
			return; /* egress drops it */
	}
	outcome = boost_redirect(msg, mine, self, other, NULL, false);
	boost_count(outcome);
	if (outcome != BOOST_REDIRECTED)
		boost_took_tcp(pair, self, other, msg->size);
	else if (answered)
		boost_response(msg, answered);
}

SEC("sk_msg")
int boost_message(struct sk_msg_md *msg)
{
	struct boost_settings *settings = boost_settings_get();
	struct bpf_sock *sk = msg->sk;
	struct boost_end *end;
	struct boost_pair *pair;
	struct tcp_sock *tcp;

	if (!sk || !settings || !settings->enabled || !CONFIG_PERIGEE_KERNEL_READS)
		return SK_PASS;
	end = bpf_sk_storage_get(&boost_ends, sk, 0, 0);
	tcp = bpf_skc_to_tcp_sock(sk);
	/* kTLS that was set up since redirects in ways of its own. */
	if (!end || !tcp || tcp->inet_conn.icsk_ulp_ops)
		return SK_PASS;
	pair = boost_pair_of(end, cookie_of(tcp));
	if (!pair || pair->state != BOOST_ACTIVE)
		return SK_PASS;
	if (pair->edge && bpf_ktime_get_ns() > settings->attended)
		boost_count(BOOST_UNATTENDED);
	else if (end->side)
		boost_from_server(msg, tcp, pair);
	else
		boost_from_client(msg, tcp, pair);
	return SK_PASS;
}

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
	if (tcp->inet_conn.icsk_ulp_ops)
		return BOOST_UPPER_PROTOCOL;
	if (bpf_core_field_exists(multipath->is_mptcp) && BPF_CORE_READ(multipath, is_mptcp))
		return BOOST_MULTIPATH;
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

/* Both ends or neither. True: to be looked at again. */
static __always_inline bool boost_enter(struct boost_pair *pair, struct boost_end *end,
					struct sock_common *common, struct tcp_sock *tcp)
{
	struct boost_side *self = &pair->side[end->side & 1], *other = &pair->side[~end->side & 1];
	__u32 fitness = boost_fitness(tcp, self, bpf_ktime_get_ns() - pair->since);

	if (fitness == WAIT)
		return true;
	if (fitness != FIT) {
		boost_stop(pair, BOOST_OFF);
		boost_refused(self->workload, fitness);
		return other->entered;
	}
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
			if (fitness != FIT) {
				boost_stop(pair, BOOST_OFF);
				boost_refused(self->workload, fitness);
				return other->entered;
			}
		}
		if (bpf_map_update_elem(&boost_sockets, &self->cookie, tcp, BPF_NOEXIST)) {
			boost_stop(pair, BOOST_OFF);
			boost_refused(self->workload, BOOST_MAP_FULL);
			return other->entered;
		}
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

/* The agent's own connection, on which it tries whether this kernel behaves. */
struct boost_trial {
	__u64 cookie[2];
	__u32 waiting; /* bytes at the socket that sent last */
	__u32 drained;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct boost_trial);
} boost_trial_state SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 2);
	__type(key, __u64);
	__type(value, __u64);
} boost_trial_sockets SEC(".maps");

SEC("sk_msg")
int boost_trial(struct sk_msg_md *msg)
{
	__u32 zero = 0;
	struct boost_trial *trial = bpf_map_lookup_elem(&boost_trial_state, &zero);
	struct bpf_sock *sk = msg->sk;
	struct tcp_sock *tcp;
	__u64 other;

	if (!sk || !trial)
		return SK_PASS;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (!tcp)
		return SK_PASS;
	trial->waiting = tcp->inet_conn.icsk_inet.sk.sk_backlog.rmem_alloc.counter;
	trial->drained = boost_drained(tcp);
	other = cookie_of(tcp) == trial->cookie[0] ? trial->cookie[1] : trial->cookie[0];
	return bpf_msg_redirect_hash(msg, &boost_trial_sockets, &other, BPF_F_INGRESS);
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

/* True: to be looked at again. */
static __always_inline bool boost_leave(struct boost_pair *pair, struct boost_end *end,
					struct sock_common *common, struct tcp_sock *tcp)
{
	struct boost_side *self = &pair->side[end->side & 1];
	__u64 waited;

	if (!self->entered)
		return false;
	waited = bpf_ktime_get_ns() - pair->since;
	if (waited < DRAIN_NS || !boost_drained(tcp)) {
		if (!end->spliced || waited < DRAIN_NS)
			return true;
		boost_refused(self->workload, BOOST_SPLICE_STUCK);
		return bpf_sock_destroy(common);
	}
	/* Without the map's hold, a sender on its way would count as nobody. */
	if (pair->http && psock_holders(tcp) > PSOCK_IDLE)
		return true;
	bpf_map_delete_elem(&boost_sockets, &self->cookie);
	self->entered = 0;
	end->entered = 0;
	if (pair->side[~end->side & 1].entered)
		return true;
	pair->state = BOOST_OFF;
	boost_count(BOOST_LEFT);
	return false;
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

/* One byte of output for each end that has to be looked at again. */
SEC("iter/tcp")
int boost_walk(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;
	struct boost_settings *settings = boost_settings_get();
	struct boost_end *end;
	struct boost_pair *pair;
	struct tcp_sock *tcp;
	bool again = false;
	__u8 byte = 1;

	if (!common || !settings || !CONFIG_PERIGEE_KERNEL_READS)
		return 0;
	end = bpf_sk_storage_get(&boost_ends, common, 0, 0);
	if (!end)
		return 0;
	tcp = bpf_skc_to_tcp_sock(common);
	if (!tcp)
		return 0;
	pair = boost_pair_of(end, bpf_get_socket_cookie(common));
	if (!pair)
		return 0;
	if ((pair->state == BOOST_WAITING || pair->state == BOOST_ACTIVE) &&
	    !boost_wanted(settings, common, pair->side[end->side & 1].workload))
		boost_stop(pair, BOOST_LEAVING);
	if (pair->state == BOOST_WAITING)
		again = boost_enter(pair, end, common, tcp);
	else if (pair->state != BOOST_ACTIVE)
		again = boost_leave(pair, end, common, tcp);
	if (end->entered && boost_remind(&pair->side[end->side & 1], tcp))
		again = true;
	if (again)
		bpf_seq_write(ctx->meta->seq, &byte, sizeof(byte));
	return 0;
}

/* System calls that read a socket as its protocol says, whatever queue the bytes lie in (x86-64).
 */
static __always_inline bool call_reads(__u64 number)
{
	return number == 0 /* read */ || number == 19 /* readv */ || number == 45 /* recvfrom */ ||
	       number == 47 /* recvmsg */ || number == 299 /* recvmmsg */;
}

/*
 * Bytes were taken from TCP's own queue. Who does it by another call, such as splice, would never
 * find what was redirected. The first bytes of each end take TCP so that this is known before.
 */
SEC("tp_btf/tcp_rcv_space_adjust")
int boost_reader(struct sock **ctx)
{
	struct boost_end *end = bpf_sk_storage_get(&boost_ends, ctx[0], 0, 0);
	struct boost_pair *pair;
	struct pt_regs *registers;

	if (!end || end->spliced)
		return 0;
	pair = boost_pair_of(end, ctx[0]->__sk_common.skc_cookie.counter);
	if (!pair)
		return 0;
	registers = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	if (call_reads(registers->orig_ax)) {
		pair->side[end->side & 1].reads = 1;
		return 0;
	}
	end->spliced = 1;
	boost_refused(pair->side[end->side & 1].workload, BOOST_SPLICE);
	if (pair->state == BOOST_WAITING || pair->state == BOOST_ACTIVE)
		boost_stop(pair, BOOST_LEAVING);
	boost_call();
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
