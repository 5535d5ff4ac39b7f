/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ctl/units.c - finds and stops units. In xproxyctl, as its caller; systemd and polkit decide what
 * that may do.
 */
#include "ctl/units.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/macros.h"

#define STEP_USEC (50 * USEC_PER_MSEC)

/* Only these: whoever could have others taken for ours could have them stopped by `stop --all`. */
static const char *const patterns[] = {"xproxy@*.service", "xproxy-*@*.service", "xproxy.socket",
                                       "xproxy-*.socket", NULL};

static const struct bus_field service_fields[] = {
	{"MainPID", 'u', offsetof(struct unit, main_pid), 0},
	{"ExecMainStartTimestamp", 't', offsetof(struct unit, started_usec), 0},
	{"MemoryCurrent", 't', offsetof(struct unit, memory_bytes), 0},
	{"CPUUsageNSec", 't', offsetof(struct unit, cpu_nsec), 0},
	{"StatusText", 's', offsetof(struct unit, status), sizeof(((struct unit *)0)->status)},
};

static const struct bus_field socket_fields[] = {
	{"NConnections", 'u', offsetof(struct socket_unit, connections), 0},
	{"NAccepted", 'u', offsetof(struct socket_unit, accepted), 0},
	{"NRefused", 'u', offsetof(struct socket_unit, refused), 0},
};

bool unit_is_alive(const struct bus_unit *u)
{
	return strcmp(u->active, "inactive") != 0 && strcmp(u->active, "failed") != 0;
}

void unit_peer(const char *description, char *buf, size_t size)
{
	size_t len = strlen(description);
	const char *open = strrchr(description, '(');

	buf[0] = '\0';
	if (len > 0 && description[len - 1] == ')' && open)
		snprintf(buf, size, "%.*s", (int)(description + len - 1 - (open + 1)), open + 1);
	else if ((!strchr(description, ' ') && strchr(description, ':')) ||
	         strncmp(description, "PID ", 4) == 0) /* a unit without Description= */
		snprintf(buf, size, "%s", description);
}

bool unit_socket_name(const char *service, char *buf, size_t size)
{
	size_t len = strcspn(service, "@");

	if (service[len] != '@' || strncmp(service, "xproxy", 6) != 0 ||
	    (service[6] != '@' && service[6] != '-'))
		return false;
	return snprintf(buf, size, "%.*s.socket", (int)len, service) < (int)size;
}

static bool is_socket(const struct bus_unit *u)
{
	size_t len = strlen(u->name);

	return len > 7 && strcmp(u->name + len - 7, ".socket") == 0;
}

/* Adds what one manager lists. */
static int add(struct units *u, const struct bus_unit *list, size_t n, bool user)
{
	struct unit *items = reallocarray(u->items, u->count + n + 1, sizeof(*items));
	struct socket_unit *sockets;

	u->items = items ? items : u->items;
	sockets = reallocarray(u->sockets, u->socket_count + n + 1, sizeof(*sockets));
	u->sockets = sockets ? sockets : u->sockets;
	if (!items || !sockets)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(list[i].load, "loaded") != 0)
			continue;
		if (is_socket(&list[i]))
			sockets[u->socket_count++] =
				(struct socket_unit){.unit = list[i], .user = user};
		else if (unit_is_alive(&list[i]))
			items[u->count++] = (struct unit){.unit = list[i],
			                                  .user = user,
			                                  .memory_bytes = UINT64_MAX,
			                                  .cpu_nsec = UINT64_MAX};
	}
	return 0;
}

/* The counters of the sockets from `first` on. A manager that stops answering in between leaves
 * them 0. */
static int count_accepted(struct units *u, struct sd_bus *bus, size_t first)
{
	size_t n = u->socket_count - first;
	_cleanup_free_ struct bus_object *objects = calloc(n + 1, sizeof(*objects));

	if (!objects)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		objects[i] = (struct bus_object){u->sockets[first + i].unit.path,
		                                 &u->sockets[first + i]};
	(void)bus_get(bus, "org.freedesktop.systemd1.Socket", socket_fields,
	              ARRAY_SIZE(socket_fields), objects, n);
	return 0;
}

static int find(struct units *u, bool user)
{
	_cleanup_free_ struct bus_unit *list = NULL;
	size_t n = 0, first = u->socket_count;
	struct sd_bus *bus;
	int r = 0;

	if (bus_open(user, &bus) < 0)
		return 0;
	if (bus_list(bus, patterns, &list, &n) == 0)
		r = add(u, list, n, user);
	if (r == 0 && u->socket_count > first)
		r = count_accepted(u, bus, first);
	bus_close(bus);
	return r;
}

static int describe(struct unit *const *list, size_t n, bool user)
{
	_cleanup_free_ struct bus_object *objects = calloc(n + 1, sizeof(*objects));
	struct sd_bus *bus;
	size_t found = 0;

	if (!objects)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (list[i]->user == user)
			objects[found++] = (struct bus_object){list[i]->unit.path, list[i]};
	if (found == 0 || bus_open(user, &bus) < 0)
		return 0;
	(void)bus_get(bus, "org.freedesktop.systemd1.Service", service_fields,
	              ARRAY_SIZE(service_fields), objects, found);
	bus_close(bus);
	return 0;
}

int units_describe(struct unit *const *list, size_t n)
{
	int r = describe(list, n, false);

	return r == 0 ? describe(list, n, true) : r;
}

int units_find(struct units *ret)
{
	int r;

	*ret = (struct units){0};
	r = find(ret, false);
	if (r == 0 && geteuid() != 0)
		r = find(ret, true);
	return r;
}

void units_free(struct units *u)
{
	free(u->items);
	free(u->sockets);
	*u = (struct units){0};
}

/* ---- stop ---- */

static void refuse(const struct unit *u, int r, const char *why, char err[RPC_TEXT_MAX])
{
	if (r == -EACCES)
		snprintf(err, RPC_TEXT_MAX,
		         "you may not stop it: that takes root, or a polkit rule for "
		         "org.freedesktop.systemd1.manage-units");
	else
		snprintf(err, RPC_TEXT_MAX, "systemd does not stop %.200s: %.200s", u->unit.name,
		         why);
}

/* Of the units of one manager that were told to stop, marks those that are gone: "". How many are
 * left. */
static size_t look(struct sd_bus *bus, const struct unit *const *list, size_t n, bool user,
                   char (*errs)[RPC_TEXT_MAX])
{
	_cleanup_free_ const char **names = calloc(n + 1, sizeof(*names));
	_cleanup_free_ struct bus_unit *now = NULL;
	size_t count = 0, left = 0;

	for (size_t i = 0; names && i < n; i++)
		if (list[i]->user == user && strcmp(errs[i], "-") == 0)
			names[left++] = list[i]->unit.name;
	if (left == 0 || bus_list_named(bus, names, &now, &count) < 0)
		return 0;
	for (size_t k = 0; k < count; k++)
		for (size_t i = 0; i < n; i++)
			if (list[i]->user == user && strcmp(errs[i], "-") == 0 &&
			    !unit_is_alive(&now[k]) &&
			    strcmp(list[i]->unit.name, now[k].name) == 0) {
				errs[i][0] = '\0';
				left--;
			}
	return left;
}

static void stop(const struct unit *const *list, size_t n, bool user, uint64_t deadline_usec,
                 char (*errs)[RPC_TEXT_MAX])
{
	struct sd_bus *bus;
	char why[RPC_TEXT_MAX];
	int r = bus_open(user, &bus);

	for (size_t i = 0; i < n; i++) {
		if (list[i]->user != user)
			continue;
		if (r >= 0) {
			int stopped = bus_stop(bus, list[i]->unit.name, why);

			snprintf(errs[i], RPC_TEXT_MAX, "-"); /* told to, still there */
			if (stopped < 0)
				refuse(list[i], stopped, why, errs[i]);
		} else {
			refuse(list[i], r, strerror(-r), errs[i]);
		}
	}
	if (r < 0)
		return;
	while (look(bus, list, n, user, errs) > 0 && now_usec() < deadline_usec)
		usleep(STEP_USEC);
	bus_close(bus);
	for (size_t i = 0; i < n; i++)
		if (list[i]->user == user && strcmp(errs[i], "-") == 0)
			snprintf(errs[i], RPC_TEXT_MAX, "it is still there");
}

void units_stop(const struct unit *const *list, size_t n, uint64_t timeout_usec,
                char (*errs)[RPC_TEXT_MAX])
{
	uint64_t deadline = now_usec() + timeout_usec;
	bool any[2] = {false, false};

	for (size_t i = 0; i < n; i++)
		any[list[i]->user] = true;
	if (any[false])
		stop(list, n, false, deadline, errs);
	if (any[true])
		stop(list, n, true, deadline, errs);
}
