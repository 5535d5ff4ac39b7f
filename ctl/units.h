/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ctl/units.h - what systemd knows of the connections: one unit each, and the sockets that accept
 * them. In xproxyctl, as its caller.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rpc.h"
#include "ctl/bus.h"

/* xproxy@INSTANCE.service. Memory and time are UINT64_MAX if they are not counted or not known. */
struct unit {
	struct bus_unit unit;
	bool user; /* of the caller's own service manager */
	/* from here on, what units_describe() fills */
	uint32_t main_pid;
	uint64_t started_usec; /* by the wall clock */
	uint64_t memory_bytes, cpu_nsec;
	char status[512]; /* what the connection says of itself */
};

/* xproxy.socket, counted since it was started */
struct socket_unit {
	struct bus_unit unit;
	bool user;
	uint32_t connections, accepted, refused;
};

struct units {
	size_t count, socket_count;
	struct unit *items;
	struct socket_unit *sockets;
};

/* Those of the system's manager and, unless root asks, of one's own. A host without systemd has
 * none. 0 or -ENOMEM; units_free() in any case. */
int units_find(struct units *ret);

/* Asks for the properties of some of them. */
int units_describe(struct unit *const *list, size_t n);

void units_free(struct units *u);

/* Whether the process is still there or coming: it is neither inactive nor failed. */
bool unit_is_alive(const struct bus_unit *u);

/* The client, from the description that systemd gives an instance: "xpra proxy (192.0.2.1:5000)".
 * "" if there is none. */
void unit_peer(const char *description, char *buf, size_t size);

/* The part of a unit's name that makes it an instance of ours: "xproxy@1-....service" has the
 * socket "xproxy.socket". False: it is none of ours. */
bool unit_socket_name(const char *service, char *buf, size_t size);

/* Stops n units, all at once, and waits until they are gone, at most timeout_usec. errs[i] is ""
 * for one that is gone, else why not. */
void units_stop(const struct unit *const *list, size_t n, uint64_t timeout_usec,
                char (*errs)[RPC_TEXT_MAX]);
