// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * cgroup_skb/ingress: datagrams to a governed workload. Attached only while some
 * namespace's ingress is selected, or the setting `dnsNames` asks for it, because
 * it runs for every packet of every socket of the node. It can't be sk_lookup:
 * multicast and broadcast are delivered without a lookup, IPv6 takes a packet from
 * outside under the workload's own address, and which socket a datagram answers is
 * known here alone.
 *
 * Answers of DNS that a workload takes are copied for the names of addresses.
 *
 * Stance: not enrolled or not selected = pass; selected and unreadable = drop. A
 * dropped datagram is silent, as on any network. An answer that can't be copied
 * passes as any other.
 */
#include "lib/attempt.h"
#include "lib/dns.h"
#include "lib/features.h"
#include "lib/udp.h"

#define IP6_EXTENSIONS	 6
#define LOOPBACK_IFINDEX 1
#define UDP_HEADER_BYTES 8

struct packet {
	struct address source, destination;
	__u32 payload; /* of a datagram: where it begins */
	__u16 source_port, destination_port; /* host byte order */
	__u8 protocol;
	__u8 family;
};

/* Skips IPv6 extension headers (RFC 8200, 4); a fragment that isn't the first has no ports. */
static __always_inline int skip_extensions(struct __sk_buff *skb, __u32 *offset, __u8 *next)
{
	for (int i = 0; i < IP6_EXTENSIONS; i++) {
		__u8 header[4];

		if (*next != 0 && *next != 43 && *next != 44 && *next != 60)
			return 0;
		if (bpf_skb_load_bytes(skb, *offset, header, sizeof(header)))
			return -1;
		if (*next == 44 && ((header[2] << 8 | header[3]) & 0xfff8))
			return -1;
		*offset += *next == 44 ? 8 : (header[1] + 1) * 8;
		*next = header[0];
	}
	return -1;
}

static __always_inline int parse(struct __sk_buff *skb, struct packet *packet)
{
	struct iphdr ip4;
	struct ipv6hdr ip6;
	__be16 ports[2];
	__u32 offset;

	if (skb->protocol == bpf_htons(0x0800)) {
		if (bpf_skb_load_bytes(skb, 0, &ip4, sizeof(ip4)))
			return -1;
		if (bpf_ntohs(ip4.frag_off) & 0x1fff)
			return -1;
		packet->source = address_from4(ip4.saddr);
		packet->destination = address_from4(ip4.daddr);
		packet->protocol = ip4.protocol;
		packet->family = 4;
		offset = ip4.ihl * 4;
	} else {
		if (bpf_skb_load_bytes(skb, 0, &ip6, sizeof(ip6)))
			return -1;
		__builtin_memcpy(packet->source.byte, &ip6.saddr, 16);
		__builtin_memcpy(packet->destination.byte, &ip6.daddr, 16);
		packet->protocol = ip6.nexthdr;
		packet->family = 6;
		offset = sizeof(ip6);
		if (skip_extensions(skb, &offset, &packet->protocol))
			return -1;
	}
	if (packet->protocol != IPPROTO_TCP && packet->protocol != IPPROTO_UDP)
		return 0;
	if (bpf_skb_load_bytes(skb, offset, ports, sizeof(ports)))
		return -1;
	packet->source_port = bpf_ntohs(ports[0]);
	packet->destination_port = bpf_ntohs(ports[1]);
	packet->payload = offset + UDP_HEADER_BYTES;
	return 0;
}

static __always_inline void packet_flow(const struct packet *packet, struct flow_record *record)
{
	record->time = bpf_ktime_get_ns();
	address_copy(record->source_address, &packet->source);
	address_copy(record->destination_address, &packet->destination);
	record->source_port = packet->source_port;
	record->destination_port = packet->destination_port;
	record->kind = FLOW_VERDICT;
	record->path = PATH_DIRECT;
	record->protocol = packet->protocol;
	record->family = packet->family;
}

/* A datagram that is no answer: ingress policy decides; the first of a peer is recorded. */
static __always_inline int datagram_in(struct __sk_buff *skb, struct bpf_sock *sk,
				       const struct workload *workload, const struct packet *packet)
{
	struct ipcache_entry peer = ipcache_find(&packet->source);
	struct policy_side side = {
		.workload = workload->id,
		.flags = workload->flags,
		.peer = peer.identity,
		.direction = DIRECTION_INGRESS,
		.protocol = IPPROTO_UDP,
		.port = packet->destination_port,
	};
	struct policy_verdict ingress;
	struct flow_record record = {};

	ingress = policy_decide(&side);
	packet_flow(packet, &record);
	record.connection = bpf_get_socket_cookie(skb);
	record.source_identity = peer.identity;
	record.source_workload = peer.workload;
	record.destination_identity = workload->identity;
	record.destination_workload = workload->id;
	record.ingress_rule = ingress.rule;
	record.direction = DIRECTION_INGRESS;
	if (ingress.action != ACTION_ALLOW) {
		record.verdict = VERDICT_DENIED;
		record.reason = ingress.action == ACTION_DENY ? ingress.reason
							      : REASON_POLICY_STATE_MISSING;
		verdict_count(ingress.rule, DIRECTION_INGRESS, VERDICT_DENIED);
		flow_emit_denied(&record);
		return HOOK_DENY;
	}
	if (!udp_caller_remember(sk, &packet->source, packet->source_port))
		return HOOK_ALLOW;
	record.verdict = ingress.audit == AUDIT_DENY ? VERDICT_AUDITED : VERDICT_ALLOWED;
	verdict_count(ingress.rule, DIRECTION_INGRESS, record.verdict);
	flow_emit_allowed(&record);
	return HOOK_ALLOW;
}

/* The server of DNS that a socket is connected to: the kernel gives it that one's datagrams alone.
 */
static __always_inline bool is_connected_to_dns(struct bpf_sock *sk)
{
	return CONFIG_PERIGEE_DNS_NAMES && sk->dst_port == bpf_htons(DNS_PORT);
}

/* An answer of a server that the socket has asked. */
static __always_inline void answer_in(struct __sk_buff *skb, const struct workload *workload,
				      const struct packet *packet)
{
	if (CONFIG_PERIGEE_DNS_NAMES && packet->source_port == DNS_PORT)
		dns_answer_take(skb, packet->payload, workload ? workload->id : 0);
}

/* Of a socket with a peer there is nothing to judge: connect() was. */
static __always_inline int peer_in(struct __sk_buff *skb, struct bpf_sock *sk)
{
	struct packet packet = {};

	if (!parse(skb, &packet) && packet.protocol == IPPROTO_UDP)
		answer_in(skb, workload_of_netns(netns_of_packet(skb, sk)), &packet);
	return HOOK_ALLOW;
}

SEC("cgroup_skb/ingress")
int packet_ingress(struct __sk_buff *skb)
{
	/* The workload's own, told by the device: a source address can be forged. */
	bool is_own = skb->ifindex == LOOPBACK_IFINDEX, is_selected, is_known;
	struct bpf_sock *sk = skb->sk;
	struct packet packet = {};
	struct workload *workload;

	/*
	 * Every segment of every TCP connection comes by here, and goes after one
	 * look or two: a socket that takes packets while in this state is a datagram
	 * socket without a peer. The kernel gives one with a peer that peer's
	 * datagrams alone.
	 */
	if (!sk || (sk->state != BPF_TCP_CLOSE && !is_connected_to_dns(sk)))
		return HOOK_ALLOW;
	sk = bpf_sk_fullsock(sk);
	if (!sk || sk->protocol != IPPROTO_UDP)
		return HOOK_ALLOW;
	if (sk->state != BPF_TCP_CLOSE)
		return peer_in(skb, sk);
	workload = workload_of_netns(netns_of_packet(skb, sk));
	is_selected = !is_own && workload && workload->flags & WORKLOAD_INGRESS_SELECTED;
	if (!is_selected && !CONFIG_PERIGEE_DNS_NAMES)
		return HOOK_ALLOW;
	if (parse(skb, &packet)) {
		if (!is_selected)
			return HOOK_ALLOW;
		drop_count(REASON_PACKET_MALFORMED);
		return HOOK_DENY;
	}
	if (packet.protocol != IPPROTO_UDP)
		return HOOK_ALLOW; /* ICMP errors for the socket */
	if (!is_selected && packet.source_port != DNS_PORT)
		return HOOK_ALLOW;
	/* What it sends to itself is not remembered. */
	is_known = is_own || udp_peer_known(sk, &packet.source, packet.source_port);
	if (is_known)
		answer_in(skb, workload, &packet);
	if (is_known || !is_selected)
		return HOOK_ALLOW;
	return datagram_in(skb, sk, workload, &packet);
}

char _license[] SEC("license") = "Dual BSD/GPL";
