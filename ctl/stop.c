/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ctl/stop.c - `xproxyctl stop`: first politely, by the control socket, so that both peers hear the
 * reason; what does not answer there or has none is stopped by systemd, if it runs in a unit and
 * the caller may.
 */
#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/macros.h"
#include "ctl/ctl.h"
#include "ctl/find.h"
#include "ctl/query.h"

#define QUIET_USEC (1 * USEC_PER_SEC)
#define ANSWER_USEC (2 * USEC_PER_SEC)
#define GONE_USEC (5 * USEC_PER_SEC)
#define UNIT_USEC (10 * USEC_PER_SEC) /* more than the units' TimeoutStopSec= */
#define STEP_USEC (20 * USEC_PER_MSEC)

struct stop {
	const struct connection *c;
	bool told, gone;
	char why[RPC_TEXT_MAX]; /* it is not gone */
};

static const char *name(const struct connection *c)
{
	return c->socket.id[0] == ':' ? c->socket.id : c->unit;
}

/* Asks all of those that have a control socket. */
static int tell(struct stop *list, size_t n)
{
	_cleanup_free_ struct query *queries = calloc(n + 1, sizeof(*queries));
	size_t count = 0;
	int r;

	if (!queries)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (list[i].c->answered)
			queries[count++] = (struct query){.path = list[i].c->socket.path,
			                                  .owner = list[i].c->socket.uid,
			                                  .arg = &list[i]};
	r = query_all(queries, count, "stop", QUIET_USEC, ANSWER_USEC);
	for (size_t i = 0; i < count && r == 0; i++) {
		struct stop *s = queries[i].arg;
		int result = queries[i].result;

		s->told = result >= 0 || result == -EPIPE || result == -ENOENT ||
		          result == -ECONNREFUSED;
		snprintf(s->why, sizeof(s->why), "%s", queries[i].err);
	}
	return r;
}

/* Waits until the sockets of those that were told are gone. */
static void await(struct stop *list, size_t n)
{
	uint64_t deadline = now_usec() + GONE_USEC;

	for (size_t i = 0; i < n; i++) {
		struct stop *s = &list[i];

		while (s->told && access(s->c->socket.path, F_OK) == 0 && now_usec() < deadline)
			usleep(STEP_USEC);
		s->gone = s->told && access(s->c->socket.path, F_OK) != 0;
		if (s->told && !s->gone)
			snprintf(s->why, sizeof(s->why), "it is still there after 5 seconds");
	}
}

/* The rest, those in a unit. */
static int stop_units(struct stop *list, size_t n)
{
	_cleanup_free_ const struct unit **units = calloc(n + 1, sizeof(const struct unit *));
	_cleanup_free_ struct stop **of = calloc(n + 1, sizeof(struct stop *));
	char(*errs)[RPC_TEXT_MAX] = calloc(n + 1, sizeof(*errs));
	size_t count = 0;

	for (size_t i = 0; units && of && errs && i < n; i++) {
		if (list[i].gone || !list[i].c->of_unit)
			continue;
		of[count] = &list[i];
		units[count++] = list[i].c->of_unit;
	}
	if (count > 0)
		units_stop(units, count, UNIT_USEC, errs);
	for (size_t i = 0; i < count; i++) {
		of[i]->gone = errs[i][0] == '\0';
		snprintf(of[i]->why, sizeof(of[i]->why), "%s", errs[i]);
	}
	free(errs);
	return units && of ? 0 : -ENOMEM;
}

static int report(const struct stop *list, size_t n)
{
	int code = EXIT_SUCCESS;

	for (size_t i = 0; i < n; i++) {
		const struct connection *c = list[i].c;

		if (list[i].gone) {
			printf("%s stopped\n", name(c));
			continue;
		}
		code = EXIT_FAILURE;
		if (c->of_unit || list[i].told)
			fprintf(stderr, "xproxyctl: %s is not stopped: %s\n", name(c), list[i].why);
		else
			fprintf(stderr,
			        "xproxyctl: %s is not stopped: it does not answer and runs in no "
			        "unit; `kill -KILL %d` would end it\n",
			        name(c), c->socket.pid);
	}
	return code;
}

static int stop_all(struct stop *list, size_t n)
{
	if (tell(list, n) < 0)
		goto out_of_memory;
	await(list, n);
	if (stop_units(list, n) < 0)
		goto out_of_memory;
	return report(list, n);
out_of_memory:
	fprintf(stderr, "xproxyctl: out of memory\n");
	return EXIT_FAILURE;
}

static bool wanted(const struct connection *c, const struct ctl *ctl)
{
	if (!c->foreign && (ctl->all || (ctl->user && connection_has_user(c, ctl->user))))
		return true;
	for (char **id = ctl->args; *id; id++)
		if (connection_has_id(c, *id))
			return true;
	return false;
}

int command_stop(const struct ctl *ctl)
{
	_cleanup_free_ struct stop *list = NULL;
	struct connections all;
	int code = EXIT_SUCCESS, stopped = EXIT_FAILURE;
	size_t n = 0;

	if (!!ctl->all + !!ctl->user + !!ctl->args[0] != 1)
		return usage_error("stop takes IDs, or --user USER, or --all");
	if (connections_find(&ctl->config, &all) == 0)
		list = calloc(all.count + 1, sizeof(*list));
	if (list) {
		for (size_t i = 0; i < all.count; i++)
			if (wanted(&all.items[i], ctl))
				list[n++].c = &all.items[i];
		for (char **id = ctl->args; *id; id++)
			if (!connections_find_id(&all, *id))
				code = EXIT_NOTHING;
		if (n == 0 && !ctl->args[0]) {
			fprintf(stderr, "xproxyctl: no connection to stop\n");
			code = EXIT_NOTHING;
		}
		stopped = stop_all(list, n);
	}
	connections_free(&all);
	return stopped != EXIT_SUCCESS ? stopped : code;
}
