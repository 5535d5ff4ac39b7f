/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/carrier.h - the process that carries a session's bytes where its server is not reached by
 * a plain socket: xproxy-tunnel for ssl, ws and wss; ssh. Guard.
 *
 * Either has one end of a socket pair whose other end is the worker's upstream, and ends when that
 * is closed. What it writes to stderr goes to the journal.
 */
#pragma once

#include "base/config.h"
#include "session/asuser.h"

struct carrier {
	pid_t pid;         /* 0: there is none */
	int fd;            /* its stderr, non-blocking; hangs up when it has ended; -1: none */
	const char *name;  /* "xproxy-tunnel", "ssh" */
	const char *owner; /* the client's user, for the log */
	unsigned lines;    /* that have been logged */
	size_t len;
	char line[RPC_TEXT_MAX - 128];
	char last[RPC_TEXT_MAX - 128]; /* the last whole line */
};

/* As asuser_connect(), and over that what else the scheme needs, all within ConnectTimeout. The fd
 * is the worker's upstream. *c is filled if there is a carrier. */
int carrier_connect(struct carrier *c, const struct config *config, const struct identity *id,
                    const struct uri *u, const struct session_options *o, int abort_fd,
                    struct asuser_target *target);

/* Something is there to be read, or it has ended: logs whole lines, at most 64; closes c->fd at the
 * end. */
void carrier_read(struct carrier *c);

/* Whether it has ended because it could not reach or log in to the server: then err (RPC_TEXT_MAX)
 * says so. Waits a moment for one that is about to end. */
bool carrier_failed(struct carrier *c, char *err);

/* Ends it. gently: it ends by itself, as the worker's end is closed, and is given a second; what
 * then is left of ssh is killed by the kernel with the guard. */
void carrier_end(struct carrier *c, bool gently);
