/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ctl/find.c - joins control sockets and units. In xproxyctl, as its caller.
 *
 * A control socket belongs to a user, who may let it say anything: which unit it is in is the
 * kernel's word alone, or `stop` could be made to stop another's.
 */
#include "ctl/find.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/macros.h"
#include "ctl/cgroup.h"
#include "ctl/query.h"

#define QUIET_USEC (700 * USEC_PER_MSEC) /* what those that are stuck cost, all together */
#define TOTAL_USEC (3 * USEC_PER_SEC)
#define ARROW " → " /* as auth/attend.c writes it */

const char *connection_state_name(enum connection_state state)
{
	static const char *const names[CONNECTION_STATES] = {
		[CONNECTION_LOGIN] = "login",
		[CONNECTION_CONNECTED] = "connected",
		[CONNECTION_STUCK] = "stuck",
		[CONNECTION_ENDING] = "ending",
	};

	return names[state];
}

/* ---- control sockets ---- */

static void take_field(void *arg, const char *key, const char *value, bool bare)
{
	struct connection *c = arg;
	const struct {
		const char *key;
		char *text;
		size_t size;
		uint64_t *number;
	} fields[] = {
		{"session.display", c->display, sizeof(c->display), NULL},
		{"session.user", c->user, sizeof(c->user), NULL},
		{"session.peer", c->peer, sizeof(c->peer), NULL},
		{"session.client", c->client, sizeof(c->client), NULL},
		{"session.transport", c->transport, sizeof(c->transport), NULL},
		{"session.upstream", c->upstream, sizeof(c->upstream), NULL},
		{"session.module", c->module, sizeof(c->module), NULL},
		{"session.server", c->server, sizeof(c->server), NULL},
		{"session.since", NULL, 0, &c->since},
		{"session.uptime", NULL, 0, &c->uptime},
		{"connection.client.encoder", c->encoder, sizeof(c->encoder), NULL},
		{"connection.client.compressor", c->compressor, sizeof(c->compressor), NULL},
		{"connection.client.input.bytecount", NULL, 0, &c->bytes_in},
		{"connection.client.output.bytecount", NULL, 0, &c->bytes_out},
		{"proxy.latency.client", NULL, 0, &c->latency_msec},
		{"proxy.unit", c->unit, sizeof(c->unit), NULL},
		{"proxy.pid", NULL, 0, &c->pid},
		{"proxy.worker-pid", NULL, 0, &c->worker_pid},
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (strcmp(fields[i].key, key) != 0)
			continue;
		if (fields[i].text)
			snprintf(fields[i].text, fields[i].size, "%s", value);
		else if (bare && value[0] != '-')
			*fields[i].number = strtoull(value, NULL, 10);
	}
}

static bool is_left_over(int r)
{
	return r == -ECONNREFUSED || r == -ENOENT || r == -EPERM || r == -EACCES;
}

/* Fills items, which has room for all of them. */
static int ask_sockets(const struct live *live, struct connections *all)
{
	struct query *queries = calloc(live->count + 1, sizeof(*queries));
	int r;

	if (!queries)
		return -ENOMEM;
	for (size_t i = 0; i < live->count; i++) {
		all->items[i].socket = live->items[i];
		queries[i].path = all->items[i].socket.path;
		queries[i].owner = live->items[i].uid;
		queries[i].field = take_field;
		queries[i].arg = &all->items[i];
	}
	r = query_all(queries, live->count, "info", QUIET_USEC, TOTAL_USEC);
	for (size_t i = 0; r == 0 && i < live->count; i++) {
		struct connection *c = &all->items[i];

		if (is_left_over(queries[i].result))
			continue;
		c->answered = queries[i].result == 0;
		c->state = c->answered ? CONNECTION_CONNECTED : CONNECTION_STUCK;
		all->items[all->count++] = *c;
	}
	free(queries);
	return r;
}

/* ---- units ---- */

/* Joins a connection with the unit that its process is in, as the kernel says. */
static void find_unit(struct connection *c, const struct units *units)
{
	struct cgroup group;
	uid_t uid;

	if (!live_process_uid(c->socket.pid, &uid) || uid != c->socket.uid ||
	    !cgroup_of(c->socket.pid, &group))
		return;
	snprintf(c->unit, sizeof(c->unit), "%s", group.unit);
	for (size_t i = 0; i < units->count; i++) {
		struct unit *u = &units->items[i];

		if (u->user != group.user || strcmp(u->unit.name, group.unit) != 0)
			continue;
		u->main_pid = (uint32_t)c->socket.pid;
		u->memory_bytes = group.memory_bytes;
		u->cpu_nsec = group.cpu_nsec;
		c->of_unit = u;
	}
}

/* What its socket does not tell, its unit may: whom systemd accepted, when, and the status text,
 * which is "alice → :10 (tcp, rencodeplus)" after the login. */
static void fill_from_unit(struct connection *c, const struct unit *u)
{
	uint64_t now = wall_usec() / USEC_PER_SEC;
	const char *arrow = strstr(u->status, ARROW), *end = strrchr(u->status, '(');

	unit_peer(u->unit.description, c->peer, sizeof(c->peer));
	c->since = u->started_usec / USEC_PER_SEC;
	c->uptime = c->since && now > c->since ? now - c->since : 0;
	if (!arrow)
		return;
	snprintf(c->user, sizeof(c->user), "%.*s", (int)(arrow - u->status), u->status);
	arrow += strlen(ARROW);
	if (end > arrow)
		snprintf(c->upstream, sizeof(c->upstream), "%.*s", (int)(end - 1 - arrow), arrow);
}

/* A unit without a control socket: one whose user is not logged in yet, one that could make none,
 * or another user's. */
static void set_from_unit(struct connection *c, const struct unit *u)
{
	*c = (struct connection){.pid = u->main_pid, .of_unit = u};
	c->socket.pid = (pid_t)u->main_pid;
	if (!live_process_uid(c->socket.pid, &c->socket.uid))
		c->socket.uid = (uid_t)-1;
	snprintf(c->socket.id, sizeof(c->socket.id), u->main_pid ? ":proxy-%u" : "-", u->main_pid);
	c->state = strstr(u->status, ARROW) ? CONNECTION_CONNECTED : CONNECTION_LOGIN;
	c->foreign = !u->user && geteuid() != 0 && c->socket.uid != getuid();
}

static void set_socket_unit(struct connection *c, const struct units *units)
{
	const struct unit *u = c->of_unit;
	char socket[sizeof(u->unit.name)];

	if (!unit_socket_name(u->unit.name, socket, sizeof(socket)))
		return;
	for (size_t k = 0; k < units->socket_count; k++)
		if (units->sockets[k].user == u->user &&
		    strcmp(units->sockets[k].unit.name, socket) == 0)
			c->of_socket = &units->sockets[k];
}

/* Asks systemd about the units that no answer of a socket belongs to, and makes connections of
 * those that have no socket. items has room for all of them. */
static int join_units(struct connections *all)
{
	_cleanup_free_ struct unit **silent = calloc(all->units.count + 1, sizeof(struct unit *));
	size_t n = 0, sockets = all->count;

	if (!silent)
		return -ENOMEM;
	for (size_t i = 0; i < sockets; i++)
		find_unit(&all->items[i], &all->units);
	for (size_t i = 0; i < all->units.count; i++) {
		struct unit *u = &all->units.items[i];
		const struct connection *c = NULL;

		for (size_t k = 0; k < sockets && !c; k++)
			c = all->items[k].of_unit == u ? &all->items[k] : NULL;
		if (!c)
			all->items[all->count++].of_unit = u;
		if (!c || !c->answered)
			silent[n++] = u;
	}
	if (units_describe(silent, n) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < all->count; i++) {
		struct connection *c = &all->items[i];
		const struct unit *u = c->of_unit;

		if (!u)
			continue;
		if (i >= sockets)
			set_from_unit(c, u);
		if (!c->answered)
			fill_from_unit(c, u);
		snprintf(c->unit, sizeof(c->unit), "%s", u->unit.name);
		if (strcmp(u->unit.active, "deactivating") == 0)
			c->state = CONNECTION_ENDING;
		set_socket_unit(c, &all->units);
	}
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct connection *x = a, *y = b;

	if (x->socket.pid != y->socket.pid)
		return x->socket.pid < y->socket.pid ? -1 : 1;
	return strcmp(x->socket.path, y->socket.path);
}

int connections_find(const struct config *c, struct connections *ret)
{
	struct live live;
	int r = live_find(c, &live);

	*ret = (struct connections){0};
	if (r == 0)
		r = units_find(&ret->units);
	if (r == 0) {
		ret->items = calloc(live.count + ret->units.count + 1, sizeof(*ret->items));
		r = ret->items ? ask_sockets(&live, ret) : -ENOMEM;
	}
	live_free(&live);
	if (r == 0)
		r = join_units(ret);
	if (r < 0) {
		fprintf(stderr, "xproxyctl: out of memory\n");
		return r;
	}
	qsort(ret->items, ret->count, sizeof(*ret->items), compare);
	return 0;
}

void connections_free(struct connections *all)
{
	units_free(&all->units);
	free(all->items);
	*all = (struct connections){0};
}

/* ---- IDs ---- */

static bool same_unit(const char *unit, const char *id)
{
	size_t len = strlen(id);

	return unit[0] && strncmp(unit, id, len) == 0 &&
	       (unit[len] == '\0' || strcmp(unit + len, ".service") == 0);
}

bool connection_has_id(const struct connection *c, const char *id)
{
	const char *own = c->socket.id;

	if (own[0] == ':' && (strcmp(id, own) == 0 || strcmp(id, own + 1) == 0 ||
	                      strcmp(id, strrchr(own, '-') + 1) == 0))
		return true;
	return same_unit(c->unit, id);
}

bool connection_has_user(const struct connection *c, const char *user)
{
	const struct passwd *pw = getpwuid(c->socket.uid);

	if (c->state == CONNECTION_LOGIN) /* what it runs as says nothing yet */
		return false;
	return strcmp(c->user, user) == 0 || (pw && strcmp(pw->pw_name, user) == 0);
}

struct connection *connections_find_id(const struct connections *all, const char *id)
{
	for (size_t i = 0; i < all->count; i++)
		if (connection_has_id(&all->items[i], id))
			return &all->items[i];
	fprintf(stderr, "xproxyctl: there is no connection '%s'\n", id);
	return NULL;
}
