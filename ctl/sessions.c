/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ctl/sessions.c - `xproxyctl sessions USER`: what that user would be offered after a login, as
 * whom, and why. Looks records up as the modules do, without a password, with the caller's rights;
 * sockets are tried in a child that has become the user. The rules are those of auth/guard.c.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>

#include "auth/load.h"
#include "base/clock.h"
#include "base/macros.h"
#include "base/table.h"
#include "ctl/ctl.h"
#include "session/asuser.h"
#include "session/choose.h"
#include "session/record.h"

#define TRY_USEC (2 * USEC_PER_SEC) /* for one session */
#define ROWS_MAX 16

/* An attempt of which the n-th password that the module tries is the right one. */
struct lookup {
	struct auth_attempt a; /* first: check() gets a pointer to it */
	unsigned *calls;       /* so far */
	unsigned right;
};

struct offer {
	const struct ctl *ctl;
	const char *username;
	struct auth_row row; /* of the first module that keeps sessions */
	const char *origin;  /* that module */
	bool impossible;     /* no login of this name succeeds */
};

static bool check(const struct auth_attempt *a, const void *password, size_t len)
{
	const struct lookup *l = (const struct lookup *)(const void *)a;

	(void)password;
	(void)len;
	return (*l->calls)++ == l->right;
}

static void warn(const char *text)
{
	fputs("warning:  ", stdout);
	table_cell(text, 0);
	putchar('\n');
}

static void warn_module(const struct auth_attempt *a, const char *text)
{
	(void)a;
	warn(text);
}

__attribute__((format(printf, 2, 3))) static void say(const char *what, const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	table_cell(what, 10);
	table_cell(text, 0);
	putchar('\n');
}

/* ---- the record ---- */

/* Asks one module. How many records it has for the name, or a negative errno that has been said;
 * *ret is the first. */
static int look_up(struct offer *o, const struct auth_instance *in, struct auth_row *ret)
{
	unsigned calls = 1;
	int found = 0;

	for (unsigned n = 0; n < calls && n < ROWS_MAX; n++) {
		unsigned tried = 0;
		struct lookup l = {.calls = &tried, .right = n};
		struct auth_row row = {0};
		int r;

		l.a = (struct auth_attempt){.username = o->username,
		                            .options = &in->options,
		                            .check = check,
		                            .warn = n == 0 ? warn_module : NULL};
		r = in->module->verify(&l.a, &row);
		if (r < 0) {
			say("module:", "%s cannot tell: %s", in->module->name,
			    l.a.error[0] ? l.a.error : strerror(-r));
			return r;
		}
		calls = tried;
		if (r > 0 && found++ == 0)
			*ret = row;
	}
	return found;
}

/* What only a client's answer could decide: the record alone is asked for. Whether there is one, or
 * a negative errno that has been said. */
static int look_up_record(struct offer *o, const struct auth_instance *in, struct auth_row *ret)
{
	struct auth_attempt a = {
		.username = o->username, .options = &in->options, .warn = warn_module};
	int r = in->module->lookup(&a, ret);

	if (r < 0)
		say("module:", "%s cannot tell: %s", in->module->name,
		    a.error[0] ? a.error : strerror(-r));
	return r;
}

static void take_row(struct offer *o, const struct auth_instance *in, const struct auth_row *row)
{
	if (o->row.has_sessions || (!row->has_sessions && !row->uid[0]))
		return;
	o->row = *row;
	o->origin = in->module->name;
}

/* Whether it may let the user in: 1, 0, or a negative errno that has been said. */
static int ask_password_module(struct offer *o, const struct auth_instance *in)
{
	bool blind = in->flags & (AUTH_CLEAR | AUTH_OWN);
	const char *name = in->module->name;
	struct auth_row row = {0};
	int n;

	/* What exec has to look up is another program's, not this one's. */
	if (blind && (!in->module->lookup || in->module == &auth_exec)) {
		say("module:", "%s decides by the client's answer: it cannot be asked here", name);
		return 1;
	}
	n = blind ? look_up_record(o, in, &row) : look_up(o, in, &row);
	if (n == 0)
		say("module:", "%s has no record of '%s'%s: a login is refused", name, o->username,
		    blind ? "" : " with a password");
	else if (n > 0 && !row.has_sessions)
		say("module:", "%s checks the password and keeps no sessions", name);
	else if (n > 0)
		say("module:", "%s has a record%s", name,
		    blind   ? "; others, with other passwords, would not be shown"
		    : n > 1 ? "; more, with other passwords, are not shown"
		            : "");
	if (n > 0)
		take_row(o, in, &row);
	explicit_bzero(&row, sizeof(row));
	return n < 0 ? n : n > 0;
}

static int ask_module(struct offer *o, const char *spec, const char *origin)
{
	struct auth_instance in = {0};
	char err[AUTH_ERROR_MAX] = "";
	int r = auth_load(spec, &in, err);

	if (r == 0 && in.module->open)
		r = in.module->open(&in.options, err);
	if (r < 0) {
		say("module:", "%s: %s", origin ? origin : "-", err);
	} else if (!(in.flags & AUTH_CHALLENGE)) {
		say("module:", "%s asks for no password and decides when a client connects",
		    in.module->name);
		r = 1;
	} else {
		r = ask_password_module(o, &in);
	}
	auth_unload(&in);
	return r;
}

/* One line: the first that says yes is enough. 0, or a negative errno that has been said. */
static int ask_alternatives(struct offer *o, const char *spec, const char *origin)
{
	bool any = false;

	if (auth_alternative(spec))
		say("module:", "one of these is enough; the first that lets the user in counts");
	for (; spec; spec = auth_alternative(spec)) {
		int r = ask_module(o, spec, origin);

		if (r < 0)
			return r;
		any = any || r > 0;
	}
	o->impossible = o->impossible || !any;
	return 0;
}

static int ask_modules(struct offer *o)
{
	const struct config_list *modules = &o->ctl->config.auth_modules;
	int r = 0;

	if (o->ctl->config_unread) {
		say("module:", "you may not read the configuration; root may. Without a record of "
		               "yours it is your live sockets that count");
		return 0;
	}
	if (modules->count == 0) {
		say("module:", "none is configured: every login is refused");
		o->impossible = true;
	}
	for (size_t i = 0; i < modules->count && r == 0; i++)
		r = ask_alternatives(o, modules->items[i], modules->origins[i]);
	return r;
}

/* Registry=, if that is a module: what it has replaces what the others have, as auth/chain.c does.
 * 0, or a negative errno that has been said. */
static int ask_registry(struct offer *o)
{
	const struct config *c = &o->ctl->config;
	struct auth_instance in = {0};
	char err[AUTH_ERROR_MAX] = "";
	struct auth_row row = {0};
	struct auth_attempt a = {.username = o->username, .warn = warn_module};
	int r;

	if (c->sessions_registry != REGISTRY_MODULE)
		return 0;
	r = auth_load(c->sessions_registry_module, &in, err);
	if (r == 0 && !in.module->lookup) {
		snprintf(err, sizeof(err), "this module keeps no sessions");
		r = -EINVAL;
	}
	if (r == 0 && in.module->open)
		r = in.module->open(&in.options, err);
	if (r == 0) {
		a.options = &in.options;
		r = in.module->lookup(&a, &row);
		snprintf(err, sizeof(err), "%.*s", (int)sizeof(err) - 1,
		         a.error[0] ? a.error : strerror(r < 0 ? -r : 0));
	}
	if (r < 0) {
		say("registry:", "[Sessions] Registry=: %s", err);
	} else {
		say("registry:", "%s has %s record", in.module->name, r > 0 ? "a" : "no");
		if (!row.uid[0]) {
			memcpy(row.uid, o->row.uid, sizeof(row.uid));
			memcpy(row.gid, o->row.gid, sizeof(row.gid));
		}
		o->row = row;
		o->row.has_sessions = true;
		o->origin = in.module->name;
	}
	explicit_bzero(&row, sizeof(row));
	auth_unload(&in);
	return r < 0 ? r : 0;
}

/* ---- who, and what ---- */

static int set_identity(struct offer *o, bool listed, struct record *record)
{
	const struct config *c = &o->ctl->config;
	const struct auth_row *row = &o->row;
	const char *uid = row->has_sessions && !row->uid[0] ? c->sessions_default_user : row->uid;
	struct identity *id = &record->identity;
	const struct group *gr;
	char err[RPC_TEXT_MAX];
	int r = 0;

	snprintf(err, sizeof(err), "there is no such user on this machine");
	if (!listed && geteuid() == 0 && !row->uid[0] && !getpwnam(o->username))
		r = -ENOENT;
	if (r == 0)
		r = identity_resolve(c, o->username, uid, row->gid, id, err);
	if (r < 0) {
		say("refused:", "%s",
		    r == -EPERM ? "uid or gid 0 (root) is never a session's user" : err);
		return r;
	}
	gr = getgrgid(id->gid);
	say("runs as:", "uid %u (%s), gid %u (%s)", id->uid, id->name[0] ? id->name : "no name",
	    id->gid, gr ? gr->gr_name : "no name");
	return 0;
}

static void set_sessions(struct offer *o, bool listed, struct record *record)
{
	struct locate_only only = {.fd = -1};
	struct locate_dirs dirs;
	struct asuser_scan scan;
	char text[2048] = "";

	if (listed) {
		record_set_sessions(record, o->row.displays, warn);
		say("sessions:", "%zu, from the record of %s", record->count, o->origin);
	} else {
		asuser_scan(&o->ctl->config, &record->identity, &scan);
		record->count =
			asuser_sessions(&scan, record->sessions, RECORD_SESSIONS_MAX, &only);
		asuser_scan_end(&scan);
		if (only.fd >= 0)
			close(only.fd);
		locate_dirs(&o->ctl->config, &record->identity, &dirs);
		for (size_t i = 0; i < dirs.count; i++)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), " %s",
			         dirs.items[i]);
		say("sessions:", "%zu, the live sockets of uid %u in%s", record->count,
		    record->identity.uid, text);
	}
	record_set_options(record, o->row.session_options, warn);
	record_set_env(record, o->row.env_options, warn);
	if (record->options.has_password)
		say("password:", "the record has one for the session's server");
}

static void print_session(const struct config *c, const struct record *record, const struct uri *u,
                          bool chosen)
{
	struct config patient = *c; /* shares its strings */
	struct session_options options = record->options;
	struct asuser_target target = {.also_fd = -1};
	char where[URI_TEXT_MAX];
	int fd = -1;

	patient.sessions_connect_timeout_usec = TRY_USEC;
	uri_print(u, where, sizeof(where));
	session_options_of_uri(&options, u->query, warn);
	if (!choose_is_proxy(u) && u->scheme != URI_SSH) {
		fd = asuser_connect(&patient, &record->identity, u, &options, -1, &target);
		asuser_reap(&target);
	}
	if (target.also_fd >= 0)
		close(target.also_fd);
	session_options_clear(&options);
	fputs(chosen ? "* " : "  ", stdout);
	table_cell(where, 32);
	table_cell(u->name[0] ? " name " : "", 0);
	table_cell(u->name, 0);
	if (choose_is_proxy(u))
		fputs(" never offered: it leads back to a proxy", stdout);
	else if (u->scheme == URI_SSH)
		fputs(" not tried", stdout);
	else if (fd < 0)
		fputs(" NOT reachable: ", stdout), table_cell(target.err, 0);
	else
		fputs(" reachable", stdout);
	if (fd >= 0 && target.path[0] && u->scheme == URI_DISPLAY)
		fputs(", ", stdout), table_cell(target.path, 0);
	putchar('\n');
	if (fd >= 0)
		close(fd);
}

static int print_sessions(const struct config *c, const struct record *record)
{
	const struct rpc_session nothing = {0};
	struct rpc_refused refused;
	size_t chosen = 0;
	char where[URI_TEXT_MAX];
	int r = choose_session(record->sessions, record->count, &nothing, &chosen, &refused);

	for (size_t i = 0; i < record->count; i++)
		print_session(c, record, &record->sessions[i], r == 0 && i == chosen);
	if (r == 0) {
		uri_print(&record->sessions[chosen], where, sizeof(where));
		say("chosen:", "%s, for a client that names none", where);
	} else {
		say("chosen:", "none for a client that names none: it is told '%s'", refused.text);
	}
	return record->count > 0 ? EXIT_SUCCESS : EXIT_NOTHING;
}

static int offer(struct offer *o)
{
	static struct record record;
	bool listed;
	int code = EXIT_NOTHING;

	if (ask_modules(o) < 0)
		return EXIT_FAILURE;
	if (o->impossible)
		return EXIT_NOTHING;
	if (ask_registry(o) < 0)
		return EXIT_FAILURE;
	listed = o->row.has_sessions && o->ctl->config.sessions_registry != REGISTRY_SOCKET;
	if (o->row.has_sessions && !listed)
		say("registry:", "Registry= says not to use the record's sessions");
	if (set_identity(o, listed, &record) == 0) {
		set_sessions(o, listed, &record);
		code = print_sessions(&o->ctl->config, &record);
	}
	record_wipe(&record);
	return code;
}

int command_sessions(const struct ctl *ctl)
{
	static struct offer o; /* large */
	const struct passwd *pw;
	int code;

	if (!ctl->args[0] || ctl->args[1])
		return usage_error("sessions takes one USER");
	pw = getpwnam(ctl->args[0]);
	if (geteuid() != 0 && pw && pw->pw_uid != getuid()) {
		fprintf(stderr, "xproxyctl: only root may ask for the sessions of another user\n");
		return EXIT_FAILURE;
	}
	o = (struct offer){.ctl = ctl, .username = ctl->args[0]};
	say("user:", "%s", o.username);
	code = offer(&o);
	explicit_bzero(&o.row, sizeof(o.row));
	return code;
}
