// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_ABI_BOOST_H
#define PERIGEE_ABI_BOOST_H

/* What became of connections and messages that boost was asked for. Numbers are never reused. */
enum boost_outcome {
	/* of a connection */
	BOOST_ENTERED = 0,
	BOOST_LEFT = 1, /* while it was open: opted out, switched off */
	BOOST_BLOCKING = 2, /* an end reads or writes with blocking calls */
	BOOST_SPLICE = 3, /* an end was read with splice, or otherwise past its protocol */
	BOOST_UPPER_PROTOCOL = 4, /* kTLS or another protocol on top of TCP */
	BOOST_MULTIPATH = 5,
	BOOST_SOCKET_TAKEN = 6, /* another's sockmap, or a kernel user's */
	BOOST_ZEROCOPY = 7, /* SO_ZEROCOPY: completions would not come */
	BOOST_LOW_WATER = 8, /* SO_RCVLOWAT */
	BOOST_NOT_ACCEPTED = 9, /* its server did not take it in time */
	BOOST_MAP_FULL = 10,
	BOOST_GONE = 11, /* closed or half closed before it could enter */
	BOOST_SPLICE_STUCK = 12, /* read with splice in the middle: reset, bytes would never come */
	BOOST_UNKNOWN_WAITER = 13, /* an end waits for events in a way that nobody knows here */
	BOOST_OUTRUN = 14, /* left: its writer outruns its reader, most bytes took TCP */
	/* of a message */
	BOOST_STREAM_LOST = 15, /* its requests could not be followed from the first on */
	BOOST_REDIRECTED = 16,
	BOOST_IN_FLIGHT = 17, /* by TCP: earlier bytes are on their way */
	BOOST_UNREAD = 18, /* by TCP: earlier bytes lie unread */
	BOOST_QUEUE_FULL = 19, /* by TCP: the reader is behind */
	BOOST_MANY_SMALL = 20, /* by TCP: too many small ones wait */
	BOOST_FIRST_BYTES =
		21, /* by TCP: the other end has read nothing yet, nobody knows how it will */
	BOOST_PEER_GONE = 22,
	BOOST_UNATTENDED = 23, /* by TCP: no agent is there to remind an edge-triggered reader */
	BOOST_NOT_WHOLE = 25, /* by TCP: not a whole request that policy allows, and no more */
	BOOST_STREAM_BUSY = 26, /* by TCP: the server's stream is inside a request, or being read */
	BOOST_REMINDED = 24, /* a reader was told again that bytes wait for it */
	BOOST_OUTCOME_COUNT = 32,
};

enum boost_state {
	BOOST_WAITING = 1, /* both ends are known; may enter once both can bear it */
	BOOST_ACTIVE = 2, /* both are in the map: messages are redirected */
	BOOST_LEAVING = 3, /* messages take TCP; the ends leave once they are drained */
	BOOST_OFF = 4, /* never again */
};

/* What the agent's walk says of an end. */
enum boost_look {
	LOOK_NO_MORE = 0,
	LOOK_AGAIN = 1,
	LOOK_SOON = 2, /* it leaves: meanwhile its messages take TCP, dearer than outside a map */
};

/* One end of a connection within this node. */
struct boost_side {
	__u64 socket; /* address of its struct tcp_sock */
	__u64 cookie; /* key in the map of sockets */
	__u32 workload; /* 0: the proxy's */
	__u8 ready; /* was found fit */
	__u8 entered; /* is in the map of sockets */
	__u8 reads; /* has read something by a call that finds what is redirected */
	__u8 mixed; /* bytes may lie in TCP's queue behind redirected ones */
};

/* What an end has sent: written at each message, by that end alone. */
struct boost_sent {
	__u64 bytes; /* past TCP */
	__u64 tcp_bytes; /* that took TCP since it was boosted */
	__u64 queued; /* … since the other's queue was seen empty last: messages of little size */
	__u64 apart[4]; /* the other end's lie in another line of the cache */
};

/*
 * The first 64 bytes, a line of the cache where hash maps keep it, are read at each message by both
 * ends and seldom written.
 */
struct boost_pair {
	__u32 state; /* enum boost_state */
	__u32 closed; /* a bit for each end */
	__u32 edge; /* an end is told of new bytes once, and may take a short read for their end */
	__u32 http; /* 1: HTTP policy: what the client sends is read before it is redirected */
	struct boost_side side[2]; /* the client's, the server's */
	__u64 since; /* ns: of the state */
	struct boost_sent sent[2]; /* the client's, the server's */
};

/* Of a socket: which pair it belongs to. */
struct boost_end {
	__u64 pair; /* the client's socket cookie */
	__u32 side; /* 0: the client's, 1: the server's */
	__u16 entered; /* 1: it is in the map of sockets */
	__u16 spliced; /* 1: it was read with splice */
};

struct boost_offer {
	__u64 socket;
	__u64 cookie;
};

/* The one entry of the map `boost_settings`. */
struct boost_settings {
	__u32 enabled;
	__u32 padding;
	__u64 attended; /* ns, CLOCK_MONOTONIC: until then an agent walks when it is asked to */
};

/* Key of the counters of connections that were not boosted. */
struct boost_refusal_key {
	__u32 workload; /* whose end it was */
	__u32 outcome; /* enum boost_outcome */
};

_Static_assert(sizeof(struct boost_side) == 24, "boost_side");
_Static_assert(__builtin_offsetof(struct boost_pair, since) == 64, "boost_pair");
_Static_assert(sizeof(struct boost_pair) == 184, "boost_pair");

#endif
