// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_ABI_FLOW_H
#define PERIGEE_ABI_FLOW_H

enum flow_kind {
	FLOW_VERDICT = 1, /* a connection or datagram flow was allowed or refused */
	FLOW_CLOSE = 2, /* a connection ended */
	FLOW_REQUEST = 3, /* one HTTP request */
	FLOW_OPAQUE = 4, /* requests of a visible connection are read no more; `reason` says why */
	FLOW_OPEN = 5, /* a connection is open still; figures from its beginning, as FLOW_CLOSE has
			  them */
};

enum flow_path {
	PATH_DIRECT = 1,
	PATH_INLINE = 2,
	PATH_PROXIED = 3,
};

/* Which end ended a TCP connection, of FLOW_CLOSE. A reset is an end without a FIN. */
enum flow_closer {
	CLOSER_UNKNOWN = 0,
	CLOSER_CLIENT = 1,
	CLOSER_SERVER = 2,
	CLOSER_CLIENT_RESET = 3,
	CLOSER_SERVER_RESET = 4,
	CLOSER_TIMEOUT = 5, /* the other end had gone */
	CLOSER_ABORT = 6, /* the system: a later policy, or an administrator */
};

/*
 * One record of what happened, as the kernel and the proxy write it to their rings. Behind that of
 * a request come method, path and host (lengths below, no terminator, in that order) and a struct
 * flow_detail, at any address, of which the trace may be missing.
 */
struct flow_record {
	__u64 time; /* ns, CLOCK_MONOTONIC */
	__u64 connection; /* socket cookie of the observed socket */
	__u64 duration; /* ns: life of a connection, latency of a request */
	__u64 bytes_sent; /* client to server */
	__u64 bytes_received; /* server to client */
	__u64 reference; /* id shown to a refused client, 0: none */
	__u8 source_address[16];
	__u8 destination_address[16];
	__u32 source_identity;
	__u32 destination_identity;
	__u32 source_workload; /* 0: not on this node */
	__u32 destination_workload;
	__u32 egress_rule;
	__u32 ingress_rule;
	__u32 rtt; /* us, smoothed */
	__u32 retransmits; /* segments */
	__u32 service; /* numeric name of the Service that the client asked for, 0: none */
	__u32 boosted; /* KiB past TCP, rounded up */
	__u16 source_port; /* host byte order */
	__u16 destination_port;
	__u16 status; /* HTTP status, 0: none */
	__u16 reason; /* enum reason */
	__u8 kind; /* enum flow_kind */
	__u8 verdict; /* enum verdict */
	__u8 direction; /* enum direction: the side that observed or refused */
	__u8 path; /* enum flow_path */
	__u8 protocol; /* IPPROTO_TCP, IPPROTO_UDP */
	__u8 family; /* 4 or 6 */
	__u8 method_length;
	__u8 closer; /* enum flow_closer */
	__u16 path_length;
	__u16 host_length;
	__u16 detail_length;
	__u16 padding;
};

struct flow_detail {
	__u32 request_time; /* us: from the end of the head until all was passed on */
	__u32 server_time; /* us: from there to the first byte of the response */
	__u8 trace_id[16]; /* W3C trace context, as the client sent it; 0: none */
	__u8 parent_id[8];
	__u8 trace_flags;
	__u8 http_version; /* 2: HTTP/2; 0: HTTP/1 */
	__u8 grpc_status; /* of a gRPC response, plus one; 0: none */
	__u8 padding[1];
};

enum ring {
	RING_FLOWS = 0,
	RING_DENIALS = 1,
	RING_REFUSALS = 2, /* the agent did not hear of them: swept later */
	RING_COUNT = 3,
};

_Static_assert(sizeof(struct flow_record) == 144, "flow_record");
_Static_assert(sizeof(struct flow_detail) == 36, "flow_detail");

#endif
