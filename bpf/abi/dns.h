// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_ABI_DNS_H
#define PERIGEE_ABI_DNS_H

/* What fits into one Ethernet frame. Resolvers ask for 1,232 bytes at most; what is longer is cut.
 */
#define DNS_MESSAGE_BYTES 1472

/* An answer of DNS that a workload got from a server that it had asked, as it came. */
struct dns_answer {
	__u64 time; /* ns, CLOCK_MONOTONIC */
	__u32 workload;
	__u16 length; /* of the message here */
	__u16 padding;
	__u8 message[DNS_MESSAGE_BYTES];
};

/* What became of answers that may name an address. */
enum dns_outcome {
	DNS_TAKEN = 0,
	DNS_LIMITED = 1, /* the workload gets too many a second */
	DNS_LOST = 2, /* the ring is full */
	DNS_OUTCOME_COUNT = 3,
};

_Static_assert(sizeof(struct dns_answer) == 16 + DNS_MESSAGE_BYTES, "dns_answer");

#endif
