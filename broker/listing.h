/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/listing.h - the sessions of a user as x2golistsessions prints them, one per line:
 *
 *	4256|bob-50-1795158914_stRxterm_dp24|50|tsa|S|2026-11-20T07:15:14|...|127.0.0.1|36339|...
 *	agent's pid, session, display, server, status, created, cookie, client, ports, ...
 *
 * which is also what a client wants to know of those that it may resume.
 */
#pragma once

#include <stddef.h>
#include <stdio.h>

#define LISTING_MAX 64 /* sessions; more are not looked at */
#define LISTING_ID_MAX 256

/* One that runs or is suspended. The texts point into what was read. */
struct listing_session {
	const char *line, *server, *status; /* its fields 1, 4 and 5 */
	size_t len, server_len;             /* of the line, without its end; of field 4 */
	char id[LISTING_ID_MAX];            /* only what an agent may be told of */
	char state;                         /* 'S' or 'R' */
};

struct listing {
	size_t count;
	struct listing_session sessions[LISTING_MAX];
};

/* Reads the lines: those suspended first, then those that run, else as they came. Left out are
 * lines that do not look like it, sessions in any other state, and one that was there before. */
void listing_read(const char *text, struct listing *ret);

/* Which of n names the server means that calls itself so; -1: none. A name without a domain is that
 * with one, unless several of the names begin like this; `self`, this machine's own, is also
 * "localhost". Letters' case does not matter. */
int listing_match(const char *server, size_t len, const char *const *names, size_t n,
                  const char *self);

/* Writes the line of a session and its end, for a client that will reach the server at that address
 * and takes the session for one in that state. */
void listing_write(FILE *f, const struct listing_session *s, const char *address, char state);
