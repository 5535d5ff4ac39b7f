/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ctl/find.h - which connections there are: what the control sockets answer, joined with what
 * systemd knows. In xproxyctl, as its caller.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/config.h"
#include "ctl/live.h"
#include "ctl/units.h"

enum connection_state {
	CONNECTION_LOGIN,     /* its unit runs; nobody is logged in yet */
	CONNECTION_CONNECTED, /* to a session */
	CONNECTION_STUCK,     /* it has a control socket and does not answer there */
	CONNECTION_ENDING,    /* its unit is being stopped */
};
#define CONNECTION_STATES 4

/* What one control socket told about its connection: from somebody else's process, so anything may
 * be in the strings. "" and 0: not known. */
struct connection {
	struct live_socket socket; /* path "": it has none, and what follows is the unit's word */
	enum connection_state state;
	bool answered;
	bool foreign; /* somebody else's: only an ID that names it finds it */
	char display[128], user[128], peer[128], client[256], transport[64], upstream[512];
	char encoder[32], compressor[32], module[64], unit[256], server[64];
	uint64_t since, uptime;       /* seconds */
	uint64_t bytes_in, bytes_out; /* from and to the client */
	uint64_t latency_msec;        /* of the client */
	uint64_t pid, worker_pid;
	const struct unit *of_unit;          /* NULL: it runs in none that systemd tells of */
	const struct socket_unit *of_socket; /* that accepted it, likewise */
};

struct connections {
	size_t count;
	struct connection *items; /* by pid */
	struct units units;
};

/* Asks all sockets and systemd. What is left over from the dead is left out; who does not answer is
 * in. 0, or -ENOMEM, which has been said on stderr. connections_free() in any case. */
int connections_find(const struct config *c, struct connections *ret);
void connections_free(struct connections *all);

const char *connection_state_name(enum connection_state state);

/* ":proxy-1" "proxy-1" "1", or the unit's name with or without ".service". */
bool connection_has_id(const struct connection *c, const char *id);

/* The name that was logged in with, or the account that the connection runs as. */
bool connection_has_user(const struct connection *c, const char *user);

/* Says so on stderr if there is none. */
struct connection *connections_find_id(const struct connections *all, const char *id);
