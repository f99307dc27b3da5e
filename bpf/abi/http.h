// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_ABI_HTTP_H
#define PERIGEE_ABI_HTTP_H

/* Bounds on what the kernel reads of HTTP; as core/automaton's INLINE_LIMITS and the proxy's
 * defaults. */
enum {
	TABLE_POOL_BYTES = 16 * 1024 * 1024, /* power of two: all tables of the node */
	HTTP_REGISTERS = 16, /* power of two */
	HTTP_LANES = 4, /* power of two */
	HTTP_HEAD_BYTES = 65536,
	HTTP_HEADER_LINES = 256,
	HTTP_TEXT_BYTES = 256, /* power of two: of a request line, kept for its record */
	HTTP_METHOD_BYTES = 31, /* one less than a power of two */
	HTTP_PATH_BYTES = 224,
	HTTP_HOST_BYTES = 64,
	HTTP_TRACE_BYTES = 64, /* power of two: of a traceparent */
	HTTP_LATENCY_BUCKETS = 16,
};

enum http_phase {
	HTTP_HEAD = 0, /* inside a head, or before its first byte */
	HTTP_BODY = 1, /* `remaining` bytes of it are still to come */
	HTTP_CHUNKED = 2,
	HTTP_UNTIL_CLOSE = 3, /* of a response: everything up to the end */
	HTTP_UNTRACKED = 4, /* of a response: its end isn't found; the next request tells */
};

/* One direction of one connection: a head being read, or the body behind it. */
struct http_reader {
	__u64 remaining; /* bytes of the body, or of the chunk */
	__u64 length; /* Content-Length of the head being read */
	__u32 table; /* offset of the table in the pool */
	__u32 serial; /* of that table, when the head began */
	__u32 flags; /* facts of the head: Flag in core/automaton/format.ts */
	__u32 head_bytes;
	__u16 state;
	__u16 status; /* of a response */
	__u16 lines;
	__u16 method_end; /* positions in the head; 65535: beyond */
	__u16 path_end;
	__u16 target_end;
	__u8 phase; /* enum http_phase */
	__u8 chunk; /* enum chunk_state */
	__u8 open; /* the field with lanes that is being read, 0: none */
	__u8 padding;
	__u16 lanes[4]; /* HTTP_LANES */
	__u16 registers[16]; /* HTTP_REGISTERS */
};

/*
 * An inline connection, kept with the server's socket. Sequence numbers: host byte order. Requests
 * and responses are often read on two processors: what both write, and what a record is made of,
 * comes first, and each direction's own lies in lines of the cache that the other doesn't touch.
 */
struct http_stream {
	__u32 busy; /* 1: a processor is at it */
	__u32 next; /* everything before has been read */
	__u32 body_from; /* from here to body_to it's one body */
	__u32 body_to;
	__u32 requests; /* heads read and allowed; written on ingress alone */
	__u32 responses; /* responses that ended; written on egress alone */
	__u64 heads; /* bit n: request n modulo 64 is a HEAD */
	__u64 request_start; /* ns, end of the head of the current request */
	__u64 request_sent; /* ns, when all of it had been read; 0: not yet */
	__u64 answered; /* ns, beginning of the response; 0: not yet */
	__u64 request_bytes; /* of the current request */
	__u64 response_bytes;
	__u32 rule; /* that allowed the current request */
	__u16 text_length; /* method and path */
	__u16 method_length;
	__u16 host_length;
	__u8 visible; /* 1: read for its records alone, nothing is refused */
	__u8 lenient; /* 1: a segment passed, visible, that policy would have had dropped */
	__u8 refused; /* 1: nothing passes any more; 2: but the server's reset */
	__u8 opaque; /* 1: not read any more: policy has no layer 7 rule for it, or it's no HTTP */
	__u8 current; /* 1: the current request has no record yet */
	__u8 family; /* 4 or 6 */
	__u8 audited;
	__u8 unsure; /* 1: it was not always followed where responses end */
	__u8 early; /* 1: begun before there was a socket; `out_next` is the first sequence number
		     */
	__u8 cuts; /* times that a request line was dropped to come again with more */
	__u8 moved; /* 1: it goes on in `boosted_streams`, and what stays here is old */
	__u8 traces; /* lines with a traceparent; 2: more */
	__u8 trace_open; /* 1: inside the value of one */
	__u8 trace_length; /* kept of it; HTTP_TRACE_BYTES + 1: it is longer */
	__u8 traced; /* 1: `trace` has ids and flags of a valid one, as struct flow_detail */
	__u8 padding[7];
	__u8 text[320]; /* HTTP_TEXT_BYTES and HTTP_HOST_BYTES: method, path and host */
	__u8 apart[16];
	/* The same for as long as the connection lasts, but for a change of policy. */
	__u64 cookie;
	__u8 remote[16];
	__u8 local[16];
	__u16 remote_port;
	__u16 local_port;
	__u32 source_identity;
	__u32 source_workload;
	__u32 identity;
	__u32 workload;
	__u32 service; /* numeric name of the Service that the client asked for, 0: none */
	/* Of the requests. */
	__u64 epoch; /* of policy, when `policy` was asked last */
	__u64 netns;
	__u64 opened; /* ns */
	__u32 overlaps; /* segments dropped because TCP has not taken what was read */
	__u32 padding2;
	struct http_reader request;
	__u8 trace[64]; /* HTTP_TRACE_BYTES: of the traceparent */
	__u8 apart2[8];
	/* Of the responses. */
	__u32 out_next;
	__u32 seen; /* requests as egress saw them last */
	struct http_reader response;
};

/*
 * The stream of a boosted connection, by the cookie of the server's socket: both
 * ends read requests and responses into it.
 */
struct boosted_stream {
	struct http_stream stream;
	__u64 client; /* address of the client's struct tcp_sock */
	__u64 client_cookie;
	__u32 inserting; /* thread whose requests may be on their way past TCP, 0: nobody's */
	__u32 padding;
};

/* A refusal that user space answers in the server's name. Ports, sequence numbers: host byte order.
 */
struct refusal {
	__u64 reference;
	__u64 cookie; /* of the server's socket; the key in the map `refused`, too */
	__u64 netns;
	__u64 time;
	__u8 remote[16];
	__u8 local[16];
	__u32 sequence; /* the next that the server would send */
	__u32 acknowledge; /* after the refused request */
	__u32 workload;
	__u16 remote_port;
	__u16 local_port;
	__u16 reason; /* enum reason */
	__u16 rejected; /* Reject in core/http/reasons.ts, 0: policy */
	__u8 family;
	__u8 answer; /* 1: nothing else is under way to the client, a response can be sent */
	__u8 head_method; /* 1: the response has no body */
	__u8 padding;
};

/* The one entry of the map `inline_settings`. */
struct inline_settings {
	__u64 epoch; /* grows with each change of policy: connections that outlive one ask again */
	__u32 missing; /* sockets that should have a stream and have none: counted by the kernel */
	__u32 padding;
};

enum {
	INLINE_PORT_WORDS = 1024, /* a bit per port */
};

/* The one entry of `inline_ports`, ports whose requests are read for some workload, and of
 * `enforced_ports`, those of them with policy. */
struct inline_ports {
	__u64 words[1024]; /* INLINE_PORT_WORDS */
};

/* Requests of inline connections, by who asked whom and what came of it. */
struct request_count_key {
	__u32 source_identity;
	__u32 source_workload;
	__u32 workload;
	__u16 status;
	__u8 method; /* enum http_method */
	__u8 verdict; /* enum verdict */
};

struct request_count {
	__u64 count;
	__u64 duration; /* ns, sum */
	__u64 buckets[16]; /* HTTP_LATENCY_BUCKETS: bucket n up to 32 us << n */
};

enum http_method {
	METHOD_OTHER = 0,
	METHOD_GET = 1,
	METHOD_HEAD = 2,
	METHOD_POST = 3,
	METHOD_PUT = 4,
	METHOD_DELETE = 5,
	METHOD_PATCH = 6,
	METHOD_OPTIONS = 7,
};

_Static_assert(sizeof(struct http_reader) == 88, "http_reader");
_Static_assert(sizeof(struct http_stream) == 792, "http_stream");
_Static_assert(sizeof(struct boosted_stream) == 816, "boosted_stream");
_Static_assert(sizeof(struct refusal) == 88, "refusal");
_Static_assert(sizeof(struct request_count_key) == 16, "request_count_key");
_Static_assert(sizeof(struct request_count) == 144, "request_count");

#endif
