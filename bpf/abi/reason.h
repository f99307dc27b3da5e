// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_ABI_REASON_H
#define PERIGEE_ABI_REASON_H

/*
 * Why traffic was refused or closed: the one closed set. Numbers are never
 * reused; src/core/reasons.ts holds the text for each and fails to compile
 * when one is missing.
 */
enum reason {
	REASON_NONE = 0,

	/* 1-31: decided in the kernel */
	REASON_POLICY_DENIED = 1, /* a rule with action Deny */
	REASON_POLICY_NO_RULE = 2, /* selected by policy, no rule allows */
	REASON_POLICY_STATE_MISSING = 3, /* selected, but the maps have no answer */
	REASON_PROXY_UNAVAILABLE = 4, /* needs the proxy, which does not listen */
	REASON_STEER_FAILED = 5, /* the original destination could not be kept */
	REASON_PROTOCOL_REFUSED = 6, /* a transport that no hook can judge */
	REASON_DEVICE_BOUND = 7, /* SO_BINDTODEVICE socket that needs the proxy */
	REASON_PACKET_MALFORMED = 8, /* headers that cannot be read */
	REASON_POLICY_CHANGED = 9, /* open connection, forbidden by a later policy */
	REASON_WORKLOAD_UNKNOWN = 10, /* enrolled, but its state is missing */
	REASON_STRAY_SEGMENT =
		12, /* TCP to an ephemeral port without a connection; policy would refuse it */
	REASON_SOURCE_FORGED = 11, /* a socket that would choose its source address */
	REASON_STATE_NOT_KEPT = 13, /* the verdict found no room at the socket */
	REASON_SEGMENT_AHEAD = 14, /* a segment before its predecessors: dropped, sent again */
	REASON_SEGMENT_AMBIGUOUS = 15, /* a segment that TCP may take otherwise than it was read */
	REASON_SEGMENT_CONTENDED = 16, /* two processors at one connection: dropped, sent again */
	REASON_STREAM_POSITION_LOST = 17, /* closed: bytes passed that were not read */
	REASON_STREAM_STATE_MISSING = 18, /* closed: no room for a connection's state */
	REASON_EARLY_LIMITED =
		20, /* a flood at a listener: read no more before there is a socket */
	REASON_SEGMENT_SHARED = 21, /* bytes to be judged that their sender can still change */
	/* 22-26: why a visible connection is read no more; nothing is refused for them */
	REASON_OPAQUE_TLS = 22,
	REASON_OPAQUE_HTTP2 = 23,
	REASON_OPAQUE_SERVER_FIRST = 24,
	REASON_OPAQUE_UPGRADED = 25, /* WebSocket, CONNECT */
	REASON_OPAQUE_EARLY = 26, /* bytes came before there was a socket */
	REASON_WORKLOAD_PENDING = 27, /* of a pod that the agent has not met yet */
	REASON_SERVICE_NO_BACKEND = 28, /* a Service that nobody serves */
	REASON_SERVICE_BACKEND_GONE = 29, /* open connection to a backend that is no more */
	REASON_BOOST_RECONNECT = 19, /* connect() of a boosted socket that was disconnected */

	/* 32-95: decided where HTTP is read */
	REASON_HTTP_DENIED = 32, /* 403: a rule with action Deny */
	REASON_HTTP_NO_RULE = 33, /* 403: no rule allows the request */
	REASON_HTTP_MALFORMED = 34, /* 400: not a strict HTTP/1 head */
	REASON_HTTP_FRAMING = 35, /* 400: ambiguous or bad message framing */
	REASON_HTTP_HEAD_TOO_LARGE = 36, /* 431 */
	REASON_HTTP_TOO_MANY_HEADERS = 37, /* 431 */
	REASON_HTTP_HEAD_TIMEOUT = 38, /* 408 */
	REASON_HTTP_UPGRADE_REFUSED = 39, /* 403: Upgrade or CONNECT not named by policy */
	REASON_HTTP_RESPONSE_MALFORMED = 40, /* 502 */
	REASON_HTTP_TARGET_AMBIGUOUS = 41, /* 400: a target two parsers may read differently */
	REASON_HTTP_TRAILER = 42, /* 400: a header that policy reads, sent as a trailer */
	REASON_HTTP_TOO_COMPLEX = 43, /* 403: rules over the table's budget would take too long */
	REASON_HTTP_TRUNCATED = 44, /* closed: the connection ends inside a head */
	REASON_HTTP2_VIOLATION = 45, /* closed: frames that break HTTP/2 or the limits on them */
	REASON_NOT_STEERED = 48, /* reached the listener without the kernel's word */
	REASON_UPSTREAM_UNREACHABLE = 49, /* 502: connect failed */
	REASON_UPSTREAM_CLOSED = 50, /* 502: closed before a response */
	REASON_UPSTREAM_TIMEOUT = 51, /* 504 */
	REASON_IDLE_TIMEOUT = 52,
	REASON_CONNECTION_LIMIT = 53, /* the workload's share of connections */
	REASON_MEMORY_LIMIT = 54, /* the workload's share of buffers */
	REASON_PROXY_DRAINING = 55,
	REASON_PROXY_INTERNAL = 56, /* 500: a fault of the proxy itself */

	REASON_COUNT = 64,
};

#endif
