/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/slots.h - so many at a time on this host, whoever's processes they are: one lock file
 * each, in a folder that somebody else has filled. A process that dies gives back what it had.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define SLOTS_MAX 64

struct slots {
	int fds[SLOTS_MAX];
	bool taken[SLOTS_MAX]; /* by us */
	size_t count;
};

/* Opens the folder's files, before the process is locked; 0 of them: nothing is limited here. Never
 * fails: what cannot be read limits nobody. */
void slots_open(struct slots *s, const char *folder);
/* 0 and a slot that is ours until slots_give(), *ret -1 where nothing is limited; -EAGAIN: all are
 * taken. */
int slots_take(struct slots *s, int *ret);
/* -1 is fine. */
void slots_give(struct slots *s, int slot);
void slots_close(struct slots *s);
