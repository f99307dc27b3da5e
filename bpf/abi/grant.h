// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef PERIGEE_ABI_GRANT_H
#define PERIGEE_ABI_GRANT_H

/* A process as it knows itself: what it is called outside its PID namespace it can't find out. */
struct socket_grant_key {
	__u32 process;
	__u32 pid_namespace; /* inode of its /proc/self/ns/pid */
};

_Static_assert(sizeof(struct socket_grant_key) == 8, "socket_grant_key");

#endif
