/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xproxyctl.c - what is running, and stop it. As whoever calls it: root sees every connection of
 * the machine, others their own. It knows what the control sockets tell and believes none of it
 * further than to print it.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>

#include "auth/users.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/macros.h"
#include "base/table.h"
#include "session/live.h"
#include "session/query.h"
#include "session/show.h"

enum {
	EXIT_USAGE = 2,
	EXIT_NOTHING = 3,
};

#define ANSWER_USEC (2 * USEC_PER_SEC)
#define STOP_USEC (5 * USEC_PER_SEC)
#define STOP_STEP_USEC (50 * USEC_PER_MSEC)

static const char usage_text[] =
	"usage: xproxyctl [-c FILE] [-o Section.Key=VALUE]... COMMAND\n"
	"\n"
	"  list [--json] [--user USER]   the connections: all of the machine for root, else yours\n"
	"  info ID [--json]              everything about one\n"
	"  stop ID... | --user USER | --all\n"
	"  version ID\n"
	"  users DB ...                  the user database; `xproxyctl users` says more\n"
	"\n"
	"ID is :proxy-PID, PID or the unit's name. Exit codes: 0, 1 failure, 2 usage, 3 nothing\n"
	"matched.\n";

struct command_options {
	bool json, all;
	const char *user;
	char **ids; /* NULL-terminated */
};

struct connections {
	size_t count;
	struct connection *items;
};

/* ---- what there is ---- */

__attribute__((format(printf, 1, 2))) static int usage_error(const char *fmt, ...)
{
	va_list ap;

	fputs("xproxyctl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs("\nTry `xproxyctl --help`.\n", stderr);
	return EXIT_USAGE;
}

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

/* Asks every socket. What is left over from the dead is left out; who does not answer is in. */
static int find_connections(const struct config *c, struct connections *ret)
{
	char err[RPC_TEXT_MAX];
	struct live live;
	int r = live_find(c, &live);

	*ret = (struct connections){0};
	if (r == 0 && live.count > 0)
		ret->items = calloc(live.count, sizeof(*ret->items));
	if (r < 0 || (live.count > 0 && !ret->items)) {
		live_free(&live);
		fprintf(stderr, "xproxyctl: out of memory\n");
		return -ENOMEM;
	}
	for (size_t i = 0; i < live.count; i++) {
		struct connection *item = &ret->items[ret->count];

		item->socket = live.items[i];
		r = query_send(item->socket.path, item->socket.uid, "info", ANSWER_USEC, take_field,
		               item, err);
		if (r == -ECONNREFUSED || r == -ENOENT || r == -EPERM || r == -EACCES)
			continue;
		item->answered = r == 0;
		ret->count++;
	}
	live_free(&live);
	return 0;
}

static bool same_unit(const char *unit, const char *id)
{
	size_t len = strlen(id);

	return unit[0] && strncmp(unit, id, len) == 0 &&
	       (unit[len] == '\0' || strcmp(unit + len, ".service") == 0);
}

static bool matches_id(const struct connection *c, const char *id)
{
	const char *pid = strrchr(c->socket.id, '-') + 1;

	return strcmp(id, c->socket.id) == 0 || strcmp(id, c->socket.id + 1) == 0 ||
	       strcmp(id, pid) == 0 || same_unit(c->unit, id);
}

/* The name that was logged in with, or the account that the connection runs as. */
static bool matches_user(const struct connection *c, const char *user)
{
	const struct passwd *pw = getpwuid(c->socket.uid);

	return strcmp(c->user, user) == 0 || (pw && strcmp(pw->pw_name, user) == 0);
}

static struct connection *find_id(const struct connections *all, const char *id)
{
	for (size_t i = 0; i < all->count; i++)
		if (matches_id(&all->items[i], id))
			return &all->items[i];
	fprintf(stderr, "xproxyctl: there is no connection '%s'\n", id);
	return NULL;
}

/* ---- commands ---- */

static int command_list(const struct config *c, const struct command_options *o)
{
	struct connections all;
	size_t n = 0;

	if (find_connections(c, &all) < 0)
		return EXIT_FAILURE;
	for (size_t i = 0; i < all.count; i++)
		if (!o->user || matches_user(&all.items[i], o->user))
			all.items[n++] = all.items[i];
	if (o->json)
		show_json(all.items, n);
	else if (n > 0)
		show_table(all.items, n);
	else
		puts("No connections.");
	free(all.items);
	return EXIT_SUCCESS;
}

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
static int ask(const struct config *c, const char *id, const char *request, query_field print,
               void *arg)
{
	const struct connection *item;
	struct connections all;
	char err[RPC_TEXT_MAX];
	int r = 0, code = EXIT_NOTHING;

	if (find_connections(c, &all) < 0)
		return EXIT_FAILURE;
	item = find_id(&all, id);
	if (item) {
		r = query_send(item->socket.path, item->socket.uid, request, ANSWER_USEC, print,
		               arg, err);
		code = r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	if (r != 0)
		fprintf(stderr, "xproxyctl: %s: %s\n", item->socket.id, err);
	free(all.items);
	return code;
}

static int command_info(const struct config *c, const struct command_options *o)
{
	bool first = true;
	int code;

	if (!o->ids[0] || o->ids[1])
		return usage_error("info takes one ID");
	if (!o->json)
		return ask(c, o->ids[0], "info", print_field, NULL);
	code = ask(c, o->ids[0], "info", print_json_field, &first);
	if (!first)
		fputs("\n}\n", stdout);
	return code;
}

static int command_version(const struct config *c, const struct command_options *o)
{
	if (!o->ids[0] || o->ids[1])
		return usage_error("version takes one ID");
	return ask(c, o->ids[0], "version", print_version, NULL);
}

/* Tells all of them, then waits for all of them. */
static int stop_connections(struct connection *const *list, size_t n)
{
	uint64_t deadline;
	char err[RPC_TEXT_MAX];
	int code = EXIT_SUCCESS;

	for (size_t i = 0; i < n; i++) {
		int r = query_send(list[i]->socket.path, list[i]->socket.uid, "stop", ANSWER_USEC,
		                   NULL, NULL, err);

		if (r < 0 && r != -EPIPE && r != -ENOENT && r != -ECONNREFUSED)
			fprintf(stderr, "xproxyctl: %s: %s\n", list[i]->socket.id, err);
	}
	deadline = now_usec() + STOP_USEC;
	for (size_t i = 0; i < n; i++) {
		const struct connection *c = list[i];

		while (access(c->socket.path, F_OK) == 0 && now_usec() < deadline)
			usleep(STOP_STEP_USEC);
		if (access(c->socket.path, F_OK) != 0) {
			printf("%s stopped\n", c->socket.id);
		} else {
			fprintf(stderr, "xproxyctl: %s is still there after 5 seconds\n",
			        c->socket.id);
			code = EXIT_FAILURE;
		}
	}
	return code;
}

static bool wanted(const struct connection *c, const struct command_options *o)
{
	if (o->all || (o->user && matches_user(c, o->user)))
		return true;
	for (char **id = o->ids; *id; id++)
		if (matches_id(c, *id))
			return true;
	return false;
}

static int command_stop(const struct config *c, const struct command_options *o)
{
	_cleanup_free_ struct connection **list = NULL;
	struct connections all;
	int code = EXIT_SUCCESS, stopped;
	size_t n = 0;

	if (!!o->all + !!o->user + !!o->ids[0] != 1)
		return usage_error("stop takes IDs, or --user USER, or --all");
	if (find_connections(c, &all) < 0)
		return EXIT_FAILURE;
	list = calloc(all.count + 1, sizeof(struct connection *));
	for (size_t i = 0; list && i < all.count; i++)
		if (wanted(&all.items[i], o))
			list[n++] = &all.items[i];
	for (char **id = o->ids; *id; id++)
		if (!find_id(&all, *id))
			code = EXIT_NOTHING;
	if (n == 0 && !o->ids[0]) {
		fprintf(stderr, "xproxyctl: no connection to stop\n");
		code = EXIT_NOTHING;
	}
	stopped = stop_connections(list, n);
	free(all.items);
	return stopped != EXIT_SUCCESS ? stopped : code;
}

/* ---- command line ---- */

static const struct command {
	const char *name;
	int (*run)(const struct config *c, const struct command_options *o);
	bool json, user, all; /* options that it takes */
} commands[] = {
	{"list", command_list, true, true, false},
	{"info", command_info, true, false, false},
	{"stop", command_stop, false, true, true},
	{"version", command_version, false, false, false},
};

/* argv[0] is the command. IDs may stand before and after options. */
static int run_command(const struct command *cmd, const struct config *c, int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'},
	                                        {"user", required_argument, NULL, 'u'},
	                                        {"all", no_argument, NULL, 'a'},
	                                        {0}};
	struct command_options o = {0};
	int opt;

	optind = 0; /* GNU: start anew */
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == '?')
			return usage_error("bad option of `%s`", cmd->name);
		if ((opt == 'j' && !cmd->json) || (opt == 'u' && !cmd->user) ||
		    (opt == 'a' && !cmd->all))
			return usage_error("`%s` has no such option", cmd->name);
		o.json = o.json || opt == 'j';
		o.all = o.all || opt == 'a';
		if (opt == 'u')
			o.user = optarg;
	}
	o.ids = argv + optind;
	if (cmd->run == command_list && o.ids[0])
		return usage_error("list takes no ID");
	return cmd->run(c, &o);
}

/* Nobody but root may be able to read the file, for Module= may hold a password. Then the defaults.
 */
static int load_config(struct config *c, const char *file, char *const *overrides, size_t n)
{
	char err[CONFIG_ERROR_MAX];
	int r;

	config_defaults(c);
	r = config_load(c, file, err);
	if (r == -EACCES && !file && geteuid() != 0)
		r = 0;
	for (size_t i = 0; i < n && r == 0; i++)
		r = config_override(c, overrides[i], err);
	if (r < 0)
		fprintf(stderr, "xproxyctl: %s\n", err);
	return r;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"config", required_argument, NULL, 'c'},
	                                        {"help", no_argument, NULL, 'h'},
	                                        {"version", no_argument, NULL, 'V'},
	                                        {0}};
	const struct command *cmd = NULL;
	char *overrides[64];
	const char *file = NULL;
	size_t n = 0;
	struct config c;
	int opt, code;

	while ((opt = getopt_long(argc, argv, "+c:o:h", options, NULL)) != -1) {
		if (opt == 'h')
			return fputs(usage_text, stdout), EXIT_SUCCESS;
		if (opt == 'V')
			return puts("xproxyctl " XPROXY_VERSION), EXIT_SUCCESS;
		if (opt == '?' || (opt == 'o' && n == ARRAY_SIZE(overrides)))
			return usage_error(opt == '?' ? "bad option" : "too many -o");
		if (opt == 'c')
			file = optarg;
		else
			overrides[n++] = optarg;
	}
	if (optind == argc)
		return usage_error("a command is missing");
	if (strcmp(argv[optind], "users") == 0)
		return users_main(argc - optind, argv + optind);
	for (size_t i = 0; i < ARRAY_SIZE(commands) && !cmd; i++)
		if (strcmp(argv[optind], commands[i].name) == 0)
			cmd = &commands[i];
	if (!cmd)
		return usage_error("there is no command '%s'", argv[optind]);
	if (load_config(&c, file, overrides, n) < 0)
		return EXIT_FAILURE;
	code = run_command(cmd, &c, argc - optind, argv + optind);
	config_free(&c);
	return code;
}
