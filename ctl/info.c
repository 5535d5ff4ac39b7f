/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ctl/info.c - `xproxyctl info` and `version`: what one connection says of itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/table.h"
#include "ctl/ctl.h"
#include "ctl/find.h"
#include "ctl/query.h"
#include "ctl/show.h"

#define ANSWER_USEC (2 * USEC_PER_SEC)

static void print_field(void *arg, const char *key, const char *value, bool bare)
{
	(void)bare;
	(void)arg;
	table_cell(key, 0);
	putchar('=');
	table_cell(value, 0);
	putchar('\n');
}

static void print_json_field(void *arg, const char *key, const char *value, bool bare)
{
	bool *first = arg;

	fputs(*first ? "{\n  " : ",\n  ", stdout);
	*first = false;
	show_json_string(key);
	fputs(": ", stdout);
	if (bare)
		fputs(value, stdout);
	else
		show_json_string(value);
}

static void print_version(void *arg, const char *key, const char *value, bool bare)
{
	(void)arg;
	(void)bare;
	if (strcmp(key, "version") == 0)
		printf("%s\n", value);
}

/* One request to the first ID, each field to `print`. */
static int ask(const struct ctl *ctl, const char *request, query_field print, void *arg)
{
	const struct connection *item;
	struct connections all;
	char err[RPC_TEXT_MAX] = "out of memory";
	int r = connections_find(&ctl->config, &all), code = EXIT_FAILURE;

	item = r == 0 ? connections_find_id(&all, ctl->args[0]) : NULL;
	if (r == 0 && !item)
		code = EXIT_NOTHING;
	if (item && item->socket.path[0]) {
		r = query_send(item->socket.path, item->socket.uid, request, ANSWER_USEC, print,
		               arg, err);
		if (r == 0)
			code = EXIT_SUCCESS;
		else
			fprintf(stderr, "xproxyctl: %s: %s\n", item->socket.id, err);
	} else if (item) {
		fprintf(stderr, "xproxyctl: %s has no control socket that you may ask: %s\n",
		        ctl->args[0],
		        item->foreign                     ? "it is another user's"
		        : item->state == CONNECTION_LOGIN ? "nobody is logged in there yet"
		                                          : "see its journal");
	}
	connections_free(&all);
	return code;
}

int command_info(const struct ctl *ctl)
{
	bool first = true;
	int code;

	if (!ctl->args[0] || ctl->args[1])
		return usage_error("info takes one ID");
	if (!ctl->json)
		return ask(ctl, "info", print_field, NULL);
	code = ask(ctl, "info", print_json_field, &first);
	if (!first)
		fputs("\n}\n", stdout);
	return code;
}

int command_version(const struct ctl *ctl)
{
	if (!ctl->args[0] || ctl->args[1])
		return usage_error("version takes one ID");
	return ask(ctl, "version", print_version, NULL);
}
