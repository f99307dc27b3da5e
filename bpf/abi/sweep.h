// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_ABI_SWEEP_H
#define PERIGEE_ABI_SWEEP_H

enum open_state {
	OPEN_ALLOWED = 1,
	OPEN_CLOSED = 2, /* forbidden as of now, and closed by the walk */
	OPEN_FORBIDDEN = 3, /* this kernel can't close it in the walk: the caller does */
};

/* One governed end of an open connection, as a walk over sockets found it. Ports: host byte order.
 */
struct open_connection {
	__u64 cookie; /* socket cookie */
	__u8 local_address[16];
	__u8 remote_address[16];
	__u16 local_port;
	__u16 remote_port;
	__u32 workload; /* whose end this is */
	__u32 peer; /* identity, as of now */
	__u32 rule; /* that decides as of now, 0: none */
	__u8 direction; /* enum direction: of this end */
	__u8 path; /* enum flow_path */
	__u8 protocol; /* IPPROTO_TCP, IPPROTO_UDP */
	__u8 family; /* 4 or 6: of the socket */
	__u8 state; /* enum open_state */
	__u8 padding[3];
};

_Static_assert(sizeof(struct open_connection) == 64, "open_connection");

#endif
