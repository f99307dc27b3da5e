// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_READ_PORTS_H
#define PERIGEE_LIB_READ_PORTS_H

#include "lib/kernel.h"
#include "abi/http.h"

/*
 * Ports whose requests are read. A bit is there before policy says so for the first workload, and
 * goes after the last, when the connections that policy had read are closed.
 */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct inline_ports);
	MAP_PINNED;
} inline_ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct inline_ports);
	MAP_PINNED;
} enforced_ports SEC(".maps");

static __always_inline bool port_is_in(const struct inline_ports *ports, __u32 port)
{
	return !ports || ports->words[port >> 6 & (INLINE_PORT_WORDS - 1)] >> (port & 63) & 1;
}

/*
 * Whether requests to a server's port (host byte order) may be read. Every TCP segment of the
 * machine asks: all but those of such ports are let go for the price of one bit.
 */
static __always_inline bool port_may_be_read(__u32 port)
{
	__u32 zero = 0;

	return port_is_in(bpf_map_lookup_elem(&inline_ports, &zero), port);
}

/* Likewise, and refused. */
static __always_inline bool port_may_be_enforced(__u32 port)
{
	__u32 zero = 0;

	return port_is_in(bpf_map_lookup_elem(&enforced_ports, &zero), port);
}

#endif
