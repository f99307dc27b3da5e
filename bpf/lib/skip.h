// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_LIB_SKIP_H
#define PERIGEE_LIB_SKIP_H

#include "lib/scratch.h"

/* Eight bytes at a time over the part of a head that nothing reads. */

#define SKIP_CONTROL 0x2020202020202020ULL
#define SKIP_ONES    0x0101010101010101ULL
#define SKIP_HIGH    0x8080808080808080ULL

/*
 * Bit 7 of bytes that a header value can't hold without being looked at: below 0x20, or 0x7f. The
 * lowest one is never missed; a byte behind 0xff may be named without need.
 */
static __always_inline __u64 control_bytes(__u64 word)
{
	return ((word - SKIP_CONTROL) | (word + SKIP_ONES)) & ~word & SKIP_HIGH;
}

#define SKIP_WORDS 64 /* per turn, in pairs */

/* Skips the bytes of a value that nothing reads; the state stays what it is. */
static __always_inline __u32 skip_value(const struct http_scratch *scratch, __u32 at, __u32 to)
{
	__u64 found = 0;

	for (int i = 0; i < SKIP_WORDS / 2; i++) {
		const __u64 *words = (const __u64 *)&scratch->window[at & (HTTP_WINDOW - 1)];

		if (at >= to)
			break;
		found = control_bytes(words[0]);
		if (found)
			break;
		at += 8;
		found = control_bytes(words[1]);
		if (found)
			break;
		at += 8;
	}
	if (found)
		at += LOWEST_BYTE(found);
	return at < to ? at : to;
}

#endif
