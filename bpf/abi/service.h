// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_ABI_SERVICE_H
#define PERIGEE_ABI_SERVICE_H

/* Services of Kubernetes: docs/design/services.md. Ports: host byte order. */

/* What a program asks for: a cluster address of a Service. */
struct service_key {
	__u8 address[16];
	__u32 port;
	__u32 protocol; /* IPPROTO_TCP, IPPROTO_UDP */
};

struct service {
	__u32 id; /* numeric name, node-local: of one port in one address family */
	__u32 backends; /* that may be picked: slots 0 to backends - 1; 0: nobody serves it */
	__u32 affinity; /* s from one connection to the next that a client stays; 0: none */
	__u32 padding;
};

struct service_slot {
	__u32 service; /* id */
	__u32 slot;
};

struct backend {
	__u8 address[16];
	__u32 port;
};

/* A backend that serves, picked for what is new or not. The value is 1 if it is. */
struct service_member {
	__u8 address[16];
	__u32 port;
	__u32 service; /* id */
};

struct affinity_key {
	__u64 client; /* cookie of its namespace */
	__u32 service;
	__u32 padding;
};

struct affinity {
	__u8 address[16]; /* of the backend */
	__u32 port;
	__u32 seconds; /* CLOCK_MONOTONIC of the last connection */
};

/* A socket's peer: the Service that was asked for, and the backend in its place. */
struct service_peer {
	__u8 address[16];
	__u8 backend_address[16];
	__u16 port;
	__u16 backend_port;
	__u32 service;
	__u64 used; /* ns, CLOCK_MONOTONIC: the last datagram to it */
};

/* How many Services one socket without a peer may talk to before the least used is forgotten. */
#define SERVICE_PEERS 16

struct service_peers {
	struct service_peer peer[SERVICE_PEERS];
};

_Static_assert(sizeof(struct service_key) == 24, "service_key");
_Static_assert(sizeof(struct backend) == 20, "backend");
_Static_assert(sizeof(struct service_member) == 24, "service_member");
_Static_assert(sizeof(struct service_peer) == 48, "service_peer");

#endif
