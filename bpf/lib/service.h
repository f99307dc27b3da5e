// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_SERVICE_H
#define PERIGEE_LIB_SERVICE_H

#include "lib/attempt.h"

/*
 * A workload that asks for a Service's cluster address gets a backend in its
 * place, before policy is asked. An address that is in no map is left alone:
 * whoever else translates addresses of Services does it.
 *
 * The agent writes a Service's slots before the count that reaches them, and
 * lowers the count before they go, so that a count never promises an empty slot
 * for longer than one look-up.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct service_key);
	__type(value, struct service);
	MAP_PINNED;
} services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 262144);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct service_slot);
	__type(value, struct backend);
	MAP_PINNED;
} service_slots SEC(".maps");

/* Every backend that serves: what holds on to one looks here whether it may. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 262144);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct service_member);
	__type(value, __u32);
	MAP_PINNED;
} service_members SEC(".maps");

/* A client that is pushed out picks anew: no verdict hangs on it. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct affinity_key);
	__type(value, struct affinity);
	MAP_PINNED;
} service_affinity SEC(".maps");

/* Of a socket that was connected to a Service. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct service_peer);
	MAP_PINNED;
} service_peer SEC(".maps");

/* Of a datagram socket that writes to Services by sendmsg(). */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct service_peers);
	MAP_PINNED;
} service_peers SEC(".maps");

/* NULL: it serves no more. Else whether it is picked for what is new. */
static __always_inline __u32 *service_member_find(__u32 service, const __u8 *address, __u32 port)
{
	struct service_member key = { .port = port, .service = service };

	__builtin_memcpy(key.address, address, 16);
	return bpf_map_lookup_elem(&service_members, &key);
}

/*
 * The Service that is asked for, and its number for records. NULL: the address is no Service's, or
 * the workload's Services are left to others.
 */
static __always_inline struct service *service_find(struct attempt *attempt)
{
	struct service_key key = { .port = attempt->port, .protocol = attempt->protocol };
	struct service *service;

	if (!(attempt->flags & WORKLOAD_SERVICES))
		return NULL;
	address_copy(key.address, &attempt->destination);
	service = bpf_map_lookup_elem(&services, &key);
	if (service)
		attempt->service = service->id;
	return service;
}

static __always_inline void service_take(struct attempt *attempt, const __u8 *address, __u16 port)
{
	__builtin_memcpy(attempt->destination.byte, address, 16);
	attempt->port = port;
}

/* The backend that the client had, if it may stay with it. */
static __always_inline bool service_stay(struct attempt *attempt, const struct service *service,
					 const struct affinity_key *key)
{
	struct affinity *affinity = bpf_map_lookup_elem(&service_affinity, key);
	__u32 now = bpf_ktime_get_ns() / NS_PER_SECOND;
	__u32 *picked;

	if (!affinity || now - affinity->seconds > service->affinity)
		return false;
	picked = service_member_find(service->id, affinity->address, affinity->port);
	if (!picked || !*picked)
		return false;
	affinity->seconds = now;
	service_take(attempt, affinity->address, affinity->port);
	return true;
}

/* Puts a backend into the place of the Service. False: nobody serves it. */
SUBPROGRAM bool service_pick(struct attempt *attempt, const struct service *service, __u64 client)
{
	struct affinity_key key = { .client = client, .service = service->id };
	struct service_slot slot = { .service = service->id };
	struct affinity affinity = {};
	struct backend *backend;

	if (!service->backends)
		return false;
	if (service->affinity && service_stay(attempt, service, &key))
		return true;
	slot.slot = bpf_get_prandom_u32() % service->backends;
	backend = bpf_map_lookup_elem(&service_slots, &slot);
	if (!backend) {
		slot.slot = 0; /* the count was lowered meanwhile */
		backend = bpf_map_lookup_elem(&service_slots, &slot);
	}
	if (!backend)
		return false;
	service_take(attempt, backend->address, backend->port);
	if (!service->affinity)
		return true;
	__builtin_memcpy(affinity.address, backend->address, 16);
	affinity.port = backend->port;
	affinity.seconds = bpf_ktime_get_ns() / NS_PER_SECOND;
	bpf_map_update_elem(&service_affinity, &key, &affinity, BPF_ANY);
	return true;
}

static __always_inline void service_peer_set(struct service_peer *peer, const struct address *asked,
					     __u16 port, const struct attempt *attempt)
{
	address_copy(peer->address, asked);
	peer->port = port;
	address_copy(peer->backend_address, &attempt->destination);
	peer->backend_port = attempt->port;
	peer->service = attempt->service;
	peer->used = bpf_ktime_get_ns();
}

/* Of a connected socket: what getpeername() shows. False: there is no room at the socket. */
static __always_inline bool service_keep(struct bpf_sock *sk, const struct address *asked,
					 __u16 port, const struct attempt *attempt)
{
	struct service_peer *peer =
		bpf_sk_storage_get(&service_peer, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!peer)
		return false;
	service_peer_set(peer, asked, port, attempt);
	return true;
}

static __always_inline bool bytes_equal16(const __u8 *a, const struct address *b)
{
	const __u64 *half = (const __u64 *)a; /* 8-byte aligned: service_peer is 48 bytes */

	return half[0] == b->half[0] && half[1] == b->half[1];
}

/* The place of a Service among those that a socket writes to, or the one that is used least. */
static __always_inline struct service_peer *service_place(struct service_peers *peers,
							  const struct address *asked, __u16 port)
{
	__u32 oldest = 0;

	for (__u32 i = 0; i < SERVICE_PEERS; i++) {
		struct service_peer *peer = &peers->peer[i & (SERVICE_PEERS - 1)];

		if (peer->port == port && bytes_equal16(peer->address, asked))
			return peer;
		if (peer->used < peers->peer[oldest & (SERVICE_PEERS - 1)].used)
			oldest = i;
	}
	return &peers->peer[oldest & (SERVICE_PEERS - 1)];
}

/*
 * Datagrams of a socket to a Service go to one backend while it serves and they
 * don't pause for long: a protocol may have a state there. False: as the reason
 * in `attempt` says.
 */
SUBPROGRAM bool service_datagram(struct bpf_sock *sk, struct attempt *attempt,
				 const struct service *service, __u64 client)
{
	struct service_peers *peers =
		bpf_sk_storage_get(&service_peers, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	struct address asked = attempt->destination;
	__u64 now = bpf_ktime_get_ns();
	__u16 port = attempt->port;
	struct service_peer *peer;

	if (!peers) {
		attempt->reason = REASON_STATE_NOT_KEPT;
		return false;
	}
	peer = service_place(peers, &asked, port);
	/* Two threads may have written to one place: only what belongs together is used. */
	if (peer->service == service->id && peer->port == port &&
	    bytes_equal16(peer->address, &asked) &&
	    now - peer->used < UDP_PEER_SECONDS * NS_PER_SECOND &&
	    service_member_find(service->id, peer->backend_address, peer->backend_port)) {
		service_take(attempt, peer->backend_address, peer->backend_port);
		peer->used = now;
		return true;
	}
	attempt->reason = REASON_SERVICE_NO_BACKEND;
	if (!service_pick(attempt, service, client))
		return false;
	service_peer_set(peer, &asked, port, attempt);
	return true;
}

/* The Service that a backend answers for; of several the one that was written to last. */
static __always_inline struct service_peer *
service_of_answer(struct bpf_sock *sk, const struct address *backend, __u16 port)
{
	struct service_peer *found = bpf_sk_storage_get(&service_peer, sk, 0, 0);
	struct service_peers *peers;

	if (found && found->backend_port == port && bytes_equal16(found->backend_address, backend))
		return found;
	peers = bpf_sk_storage_get(&service_peers, sk, 0, 0);
	found = NULL;
	if (!peers)
		return NULL;
	for (__u32 i = 0; i < SERVICE_PEERS; i++) {
		struct service_peer *peer = &peers->peer[i & (SERVICE_PEERS - 1)];

		if (peer->backend_port == port && bytes_equal16(peer->backend_address, backend) &&
		    (!found || peer->used > found->used))
			found = peer;
	}
	return found;
}

/*
 * Whether what was opened to a backend has no one to answer it. A TCP connection
 * goes on while anybody is known to have the address; the peer of a datagram
 * socket must serve, because nothing else would tell its program.
 */
static __always_inline bool service_backend_gone(const struct service_peer *peer, __u8 protocol)
{
	struct address backend;

	if (service_member_find(peer->service, peer->backend_address, peer->backend_port))
		return false;
	if (protocol == IPPROTO_UDP)
		return true;
	__builtin_memcpy(backend.byte, peer->backend_address, 16);
	return !(ipcache_find(&backend).flags & ADDRESS_TAKEN);
}

#endif
