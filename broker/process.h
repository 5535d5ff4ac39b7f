/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/process.h - runs programs side by side, for what they print.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCESS_OUTPUT_MAX (256u << 10) /* a thousand sessions, as they are listed */
#define PROCESS_WORDS_MAX 512           /* of what it says on stderr; the rest is lost */

struct process {
	/* What to run: argv[0] is a path, no shell sees it; NULL: nothing. */
	const char *const *argv;
	const char *directory; /* to run in; "": / */
	/* What came of it. */
	int result;   /* exit code; -ETIMEDOUT, -E2BIG: ended by us; -EINTR: by a signal; -errno */
	char *output; /* the caller's to free; NULL or with a NUL behind it */
	size_t output_len;
	char words[PROCESS_WORDS_MAX + 1];
	size_t words_len;
	/* process.c's own. */
	pid_t pid;
	int pidfd, out, err;
};

/* Runs n of them at the same time, at most until the deadline. stdin is empty, the environment is
 * PATH, LANG and HOME (the directory); each has a process group of its own, which is killed as a
 * whole when the program has ended, prints more than PROCESS_OUTPUT_MAX, or its time is over. One
 * that is not ours to kill, being set-user-ID, is left to its closed pipes. */
void process_run_all(struct process *list, size_t n, uint64_t deadline_usec);
