/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/penalty-table.h - the file in which all connections of this machine remember which sources
 * have failed to log in. Its size never changes; whoever dies with a lock leaves none.
 *
 * Times are microseconds of CLOCK_BOOTTIME: the file is in /run and gone with a reboot.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/peer.h"

#define PENALTY_FILE "penalties" /* in the folder of base/runtime.h */
#define PENALTY_BUCKETS 2048
#define PENALTY_WAYS 8 /* sources whose keys have the same hash, at most */
#define PENALTY_KEY_TEXT 64

/* Whom failures are counted for: what one person can change at will must not make another of them.
 */
struct penalty_key {
	uint8_t family;    /* AF_INET, AF_INET6, AF_UNIX, AF_VSOCK; 0: nobody */
	uint8_t prefix[8]; /* the address; its first 64 bits; the uid; the CID */
};

/* As it is in the file: 64 bytes; all zero if nothing is known. */
struct penalty_entry {
	struct penalty_key key;
	uint8_t refusals;      /* so far: each is twice as long as the one before */
	uint16_t asked;        /* modules that are looking at a password of it just now */
	uint32_t score;        /* PENALTY_FAILURE for each failure of this window */
	uint64_t window_usec;  /* when the score is forgotten */
	uint64_t asked_usec;   /* when those that are still looking must have died */
	uint64_t refused_usec; /* until then */
	uint64_t forget_usec;  /* when the refusals are forgotten */
	uint64_t said_usec;    /* the last line about it in the journal */
	uint32_t unsaid;       /* refused since then */
	uint32_t unused;
};

#define PENALTY_TIMEOUT_SCORE 1
#define PENALTY_FAILURE_SCORE 2 /* a login that was not finished in time is half a failure */

/* What has happened. */
enum penalty_event {
	PENALTY_LOOK,    /* a connection has begun */
	PENALTY_ASK,     /* a module is about to be asked: followed by one of the next two */
	PENALTY_RIGHT,   /* it said yes, or could not tell */
	PENALTY_WRONG,   /* it said no */
	PENALTY_TIMEOUT, /* a login was not finished in time */
	PENALTY_CRASH,   /* a worker died: the source is refused at once */
};

struct penalty_rules {
	uint64_t failures; /* never 0; at most PENALTY_FAILURES_MAX */
	uint64_t window_usec, longest_usec;
};

#define PENALTY_FAILURES_MAX 10000

enum penalty_verdict {
	PENALTY_PASS,
	PENALTY_WAIT, /* PENALTY_ASK only: as many are being asked as may fail. Not counted */
	PENALTY_REFUSED,
};

struct penalty_answer {
	enum penalty_verdict verdict;
	uint64_t left_usec; /* of the refusal */
	bool begins;        /* which begins with this event */
	bool say;           /* refused: a line about it is due */
	uint32_t unsaid;    /* how many were refused without one */
};

uint64_t penalty_now(void);

/* Whom this peer counts for. False: nobody, as its kind of address has no owner. */
bool penalty_key_of(const struct peer *peer, struct penalty_key *ret);
bool penalty_key_of_address(const struct netaddr *a, struct penalty_key *ret);

/* "192.0.2.7", "2001:db8:1:2::/64", "unix uid 1000", "vsock:3". Returns buf. */
const char *penalty_key_print(const struct penalty_key *k, char buf[PENALTY_KEY_TEXT]);

/* Opens the table, or makes it if create is set; one that cannot be one is made anew, and
 * *ret_remade set. An fd, which the caller closes, or a negative errno: -EPERM: it is no file, or
 * not ours. */
int penalty_table_open(const char *path, bool create, bool *ret_remade);

/* Takes note of an event, and says what becomes of the source. 0, or a negative errno:
 * -EAGAIN: somebody has held the lock for seconds. */
int penalty_table_apply(int fd, const struct penalty_key *key, enum penalty_event event,
                        const struct penalty_rules *rules, struct penalty_answer *ret);

/* Calls f with every entry of which something is known at that time. 0 or a negative errno. */
int penalty_table_each(int fd, uint64_t now,
                       void (*f)(void *context, const struct penalty_entry *e), void *context);

/* Forgets a source, or with NULL all of them. How many it was, or a negative errno. */
int penalty_table_clear(int fd, const struct penalty_key *key);
