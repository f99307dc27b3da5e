// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_ANNOUNCE_H
#define PERIGEE_LIB_ANNOUNCE_H

#include "lib/address.h"

/* Connections that the proxy is about to open to a workload of this node. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct tuple_key);
	__type(value, struct announcement);
	MAP_PINNED;
} announcements SEC(".maps");

/* Of the server's accepted socket: whom getpeername() shows. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct announcement);
	MAP_PINNED;
} announced SEC(".maps");

#endif
