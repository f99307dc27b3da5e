// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_STEER_H
#define PERIGEE_LIB_STEER_H

#include "lib/address.h"

/*
 * How a client's connection finds the proxy: the connect hook rewrites the
 * destination to the proxy's listener on the pod's own loopback and keeps the
 * original in the client socket's `steering`. At ACTIVE_ESTABLISHED it is
 * handed over by 4-tuple, and at PASSIVE_ESTABLISHED, which on loopback comes
 * after it and before accept() returns, it becomes the `steered` storage of the
 * accepted socket.
 */

/* Of the client's socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct steering);
	MAP_PINNED;
} client_steering SEC(".maps");

/* Of the socket that the proxy accepts; read by the proxy through its descriptor. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct steering);
	MAP_PINNED;
} steered SEC(".maps");

/* Lives between the two hooks: microseconds. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct tuple_key);
	__type(value, struct steering);
	MAP_PINNED;
} handoff SEC(".maps");

/* Namespace cookie to the proxy's outbound port; written by the proxy. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, __u32);
	MAP_PINNED;
} outbound_ports SEC(".maps");

/* The proxy's listeners; entries go with their sockets. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 16384);
	__type(key, struct listener_key);
	__type(value, __u64);
	MAP_PINNED;
} listeners SEC(".maps");

#endif
