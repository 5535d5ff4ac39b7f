/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/macros.h - ownership attributes and the functions that do not compile here.
 */
#pragma once

#include <stdio.h> /* before the poison below, which it would trip over */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static inline void cleanup_close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
static inline void cleanup_free_ptr(void *p)
{
	free(*(void **)p);
}
/* A heap string that held a secret. */
static inline void cleanup_wipe_str(char **s)
{
	if (*s)
		explicit_bzero(*s, strlen(*s));
	free(*s);
}

#define _cleanup_close_ __attribute__((cleanup(cleanup_close_fd)))
#define _cleanup_free_ __attribute__((cleanup(cleanup_free_ptr)))
#define _cleanup_wipe_ __attribute__((cleanup(cleanup_wipe_str)))

/* For a buffer that is written before it is read, on a path where clearing it shows: the compiler
 * is told to clear all others (-ftrivial-auto-var-init). */
#define _uninitialized_ __attribute__((uninitialized))

/* Hands an fd over: the variable becomes -1. */
static inline int take_fd(int *fd)
{
	int r = *fd;

	*fd = -1;
	return r;
}

/* glibc has macros of these, and poisoning one warns. */
#undef alloca
#undef sprintf
#undef vsprintf
#pragma GCC poison strcpy strcat sprintf vsprintf strtok atoi atol gets system popen
