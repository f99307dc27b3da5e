// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_ABI_CONNECTION_H
#define PERIGEE_ABI_CONNECTION_H

/* One end of a connection as its owner sees it. Ports: host byte order. */
struct tuple_key {
	__u64 netns; /* SO_NETNS_COOKIE of the accepting socket */
	__u8 source_address[16]; /* the connecting side */
	__u8 destination_address[16];
	__u16 source_port;
	__u16 destination_port;
	__u32 padding;
};

/*
 * How the two ends of a connection within this node find each other: by the
 * addresses and the initial sequence numbers that both have seen. Ports: host
 * byte order.
 */
struct handshake_key {
	__u8 source_address[16]; /* the connecting side */
	__u8 destination_address[16];
	__u32 source_sequence;
	__u32 destination_sequence;
	__u32 source_workload; /* 0: the proxy */
	__u32 destination_workload; /* 0: the proxy */
	__u16 source_port;
	__u16 destination_port;
	__u32 padding;
};

/*
 * What the kernel knows of a steered connection. The connect hook writes it to
 * the client socket's storage; it reaches the proxy as the storage of the
 * accepted socket, which no other process can write.
 */
struct steering {
	__u64 client_cookie; /* socket cookie of the client's socket */
	__u64 netns; /* the client's namespace */
	__u8 address[16]; /* original destination */
	__u16 port; /* host byte order */
	__u8 family; /* 4 or 6: how the client addressed it */
	__u8 padding;
	__u32 service; /* numeric name of the Service that was asked for, 0: none */
	__u32 source_workload;
	__u32 source_identity;
	__u32 destination_workload; /* 0: not on this node */
	__u32 destination_identity;
	__u32 egress_rule; /* the L4 rules that steered it, 0: none */
	__u32 ingress_rule;
};

/*
 * The proxy announces its upstream connection, before it connects, to the
 * server's namespace: sk_lookup passes it to the application, and
 * getpeername() shows the client.
 */
struct announcement {
	__u8 client_address[16];
	__u16 client_port; /* host byte order */
	__u16 padding;
	__u32 client_identity;
	__u64 proxy_cookie; /* cookie of the proxy's upstream socket */
};

/* Why the proxy ends a connection of a client. */
struct ending {
	__u32 egress_rule;
	__u32 ingress_rule;
	__u16 reason; /* enum reason */
	__u8 verdict; /* enum verdict */
	__u8 padding;
};

struct listener_key {
	__u64 netns;
	__u32 family; /* 4 or 6 */
	__u32 direction; /* enum direction: whose connections it takes */
};

/* The last peers that one UDP socket wrote to: their answers are let in. */
enum {
	UDP_PEER_SETS = 16, /* power of two */
	UDP_PEER_WAYS = 4,
	UDP_PEER_SECONDS = 120,
};

struct udp_peer {
	__u8 address[16];
	__u16 port; /* host byte order */
	__u16 padding;
	__u32 seconds; /* CLOCK_MONOTONIC of the last datagram to it */
};

struct udp_peers {
	struct udp_peer peer[64]; /* UDP_PEER_SETS x UDP_PEER_WAYS */
};

/*
 * Life of one governed connection, from its first hook to its close. Of the client's socket; of the
 * one that accepted it, the server's or the proxy's, if the client is not on this node; of the
 * server's also if the client came by the proxy.
 */
struct connection {
	__u64 start; /* ns, CLOCK_MONOTONIC */
	__u64 owner; /* key of the workload whose end this is: id, … */
	__u32 source_identity;
	__u32 destination_identity;
	__u32 source_workload;
	__u32 destination_workload;
	__u32 egress_rule;
	__u32 ingress_rule;
	__u8 direction; /* enum direction: whose end this is */
	__u8 path; /* enum flow_path */
	__u8 established;
	__u8 verdict; /* enum verdict */
	__u8 owner_kind; /* … and enum workload_kind */
	__u8 recorded; /* 0: its client's end is, or a sweep has recorded it */
	__u8 boost; /* may be boosted: the workloads at its ends ask for it, or the proxy is one */
	__u8 padding;
	__u32 service; /* numeric name of the Service that was asked for, 0: none */
	__u32 padding2;
};

_Static_assert(sizeof(struct ending) == 12, "ending");
_Static_assert(sizeof(struct listener_key) == 16, "listener_key");
_Static_assert(sizeof(struct udp_peer) == 24, "udp_peer");
_Static_assert(sizeof(struct tuple_key) == 48, "tuple_key");
_Static_assert(sizeof(struct steering) == 64, "steering");
_Static_assert(sizeof(struct announcement) == 32, "announcement");
_Static_assert(sizeof(struct handshake_key) == 56, "handshake_key");
_Static_assert(sizeof(struct connection) == 56, "connection");

#endif
