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
#include "lib/boost-message.h"
#include "lib/boost-entry.h"

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
	if (pair->edge && bpf_ktime_get_coarse_ns() > settings->attended)
		boost_count(BOOST_UNATTENDED);
	else if (end->side)
		boost_from_server(msg, tcp, pair);
	else
		boost_from_client(msg, tcp, pair);
	return SK_PASS;
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

/* One byte of output, enum boost_look, for each end that has to be looked at again. */
SEC("iter/tcp")
int boost_walk(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;
	struct boost_settings *settings = boost_settings_get();
	struct boost_end *end;
	struct boost_pair *pair;
	struct tcp_sock *tcp;
	__u8 look = LOOK_NO_MORE;

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
		look = boost_enter(pair, end, common, tcp) ? LOOK_AGAIN : LOOK_NO_MORE;
	else if (pair->state != BOOST_ACTIVE)
		look = boost_leave(pair, end, common, tcp);
	if (end->entered && boost_remind(&pair->side[end->side & 1], tcp) && !look)
		look = LOOK_AGAIN;
	if (look)
		bpf_seq_write(ctx->meta->seq, &look, sizeof(look));
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
	struct boost_end *end;
	struct boost_pair *pair;
	struct pt_regs *registers;

	/* Most sockets of the node: nothing more for them. */
	if (!CONFIG_PERIGEE_KERNEL_READS || !boost_candidate(ctx[0]))
		return 0;
	end = bpf_sk_storage_get(&boost_ends, ctx[0], 0, 0);
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
