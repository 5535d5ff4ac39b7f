/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ctl/bus.h - systemd as its D-Bus interface shows it, org.freedesktop.systemd1(5). In xproxyctl,
 * as its caller: whoever may not do something is refused there. Nothing here asks for a password.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rpc.h"

struct sd_bus;

struct bus_unit {
	char name[256], description[256], load[24], active[24], sub[24];
	char path[384]; /* of its object */
};

/* The system's bus, or (user) that of the caller's own service manager. 0, or a negative errno:
 * there is none, or it is not for us. Every call takes at most two seconds. */
int bus_open(bool user, struct sd_bus **ret);
void bus_close(struct sd_bus *bus);

/* The loaded units that match any of the patterns (NULL-terminated), *ret_count of them; *ret is to
 * be freed. 0 or a negative errno. */
int bus_list(struct sd_bus *bus, const char *const *patterns, struct bus_unit **ret,
             size_t *ret_count);

/* Exactly these, loaded or not: those that do not exist are "inactive". */
int bus_list_named(struct sd_bus *bus, const char *const *names, struct bus_unit **ret,
                   size_t *ret_count);

/* Where a property goes: type 'u' uint32_t, 't' uint64_t, 's' size bytes of text. */
struct bus_field {
	const char *name;
	char type;
	size_t offset, size;
};

struct bus_object {
	const char *path;
	void *ret; /* to which the fields' offsets are added */
};

/* Reads one interface's properties of n objects, all asked for before the first answer is waited
 * for. What an object does not have stays as it was. 0; -ETIMEDOUT and others: the bus is of no use
 * any more. */
int bus_get(struct sd_bus *bus, const char *interface, const struct bus_field *fields,
            size_t field_count, const struct bus_object *objects, size_t n);

/* Asks for the unit to be stopped; does not wait for that. 0, or a negative errno with err: -EACCES
 * the caller may not. */
int bus_stop(struct sd_bus *bus, const char *unit, char err[RPC_TEXT_MAX]);
