// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_ADDRESS_H
#define PERIGEE_LIB_ADDRESS_H

#include "lib/kernel.h"

/* 16 bytes in network order; IPv4 as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2). */
struct address {
	union {
		__u8 byte[16];
		__u32 word[4]; /* network byte order */
		__u64 half[2];
	};
};

static __always_inline struct address address_from4(__be32 ip)
{
	struct address address = {};

	address.word[2] = bpf_htonl(0xffff);
	address.word[3] = ip;
	return address;
}

static __always_inline struct address address_from6(__be32 a, __be32 b, __be32 c, __be32 d)
{
	struct address address = {};

	address.word[0] = a;
	address.word[1] = b;
	address.word[2] = c;
	address.word[3] = d;
	return address;
}

static __always_inline bool address_is4(const struct address *address)
{
	return address->half[0] == 0 && address->word[2] == bpf_htonl(0xffff);
}

/* 127.0.0.0/8, ::1, and the unspecified addresses, which connect() takes as loopback. */
static __always_inline bool address_is_loopback(const struct address *address)
{
	if (address_is4(address))
		return address->byte[12] == 127 || address->word[3] == 0;
	return address->half[0] == 0 && address->word[2] == 0 &&
	       (address->word[3] == bpf_htonl(1) || address->word[3] == 0);
}

static __always_inline bool address_is_zero(const struct address *address)
{
	return address->half[0] == 0 && address->half[1] == 0;
}

static __always_inline bool address_equal(const struct address *a, const struct address *b)
{
	return a->half[0] == b->half[0] && a->half[1] == b->half[1];
}

static __always_inline void address_copy(__u8 *to, const struct address *from)
{
	__builtin_memcpy(to, from->byte, sizeof(from->byte));
}

#endif
