/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ctl/x2go.c - `xproxyctl x2go`: the sessions that clients of the X2Go broker have reported, and
 * what those clients are to do with them when they report next. Root becomes the user whose folder
 * State= is before it looks into it. System calls: stat, setgroups, setresgid, setresuid, and those
 * of broker/state.c.
 */
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/macros.h"
#include "base/table.h"
#include "broker/event.h"
#include "ctl/ctl.h"
#include "ctl/show.h"

struct listing {
	uint64_t now;
	size_t count;
	bool json;
};

static const int widths[] = {36, 14, 20, 20, 11, 8, 9};

static const char *order_text(const struct event_session *s)
{
	return s->order == EVENT_ORDER_SUSPEND     ? "suspend"
	       : s->order == EVENT_ORDER_TERMINATE ? "terminate"
	                                           : "";
}

static void print_field(const char *name, const char *value)
{
	printf(", \"%s\": ", name);
	show_json_string(value);
}

static void print_json(const struct event_session *s, bool first)
{
	fputs(first ? "[\n  {\"session\": " : ",\n  {\"session\": ", stdout);
	show_json_string(s->id);
	print_field("user", s->user);
	print_field("login", s->login);
	print_field("client", s->address);
	print_field("server", s->server);
	print_field("command", s->command);
	print_field("display", s->display);
	print_field("event", s->event);
	print_field("order", order_text(s));
	printf(", \"since\": %" PRIu64 ", \"reported\": %" PRIu64 "}", s->first_usec / USEC_PER_SEC,
	       s->last_usec / USEC_PER_SEC);
}

static void print_row(const struct event_session *s, uint64_t now, bool first)
{
	static const char *const heads[] = {"Session", "User",  "Client", "Server",
	                                    "Event",   "Heard", "Order"};
	char heard[32];
	const char *const cells[] = {s->id,    s->user, s->address,   s->server,
	                             s->event, heard,   order_text(s)};

	show_age(now > s->last_usec ? (now - s->last_usec) / USEC_PER_SEC : 0, heard,
	         sizeof(heard));
	if (first) {
		table_row(heads, widths, ARRAY_SIZE(heads));
		table_rule(widths, ARRAY_SIZE(widths));
	}
	table_row(cells, widths, ARRAY_SIZE(cells));
}

static void print(void *arg, const struct event_session *s)
{
	struct listing *l = arg;
	bool first = l->count++ == 0;

	if (l->json)
		print_json(s, first);
	else
		print_row(s, l->now, first);
}

static int list(const struct ctl *ctl, char *err, size_t err_size)
{
	struct listing l = {.now = wall_usec(), .json = ctl->json};
	int r = event_each(ctl->config.x2go_state, print, &l, err, err_size);

	if (r < 0)
		return EXIT_FAILURE;
	if (ctl->json)
		puts(l.count ? "\n]" : "[]");
	else if (l.count == 0)
		puts("No X2Go client has reported a session.");
	return EXIT_SUCCESS;
}

/* Files of root's would be in the broker's way, and its links would be followed by root. */
static int become_owner(const char *state, char *err, size_t err_size)
{
	struct stat st;

	if (stat(state, &st) < 0) {
		snprintf(err, err_size, "State=%s: %s", state, strerror(errno));
		return -errno;
	}
	if (geteuid() != 0 || st.st_uid == 0)
		return 0;
	if (setgroups(0, NULL) == 0 && setresgid(st.st_gid, st.st_gid, st.st_gid) == 0 &&
	    setresuid(st.st_uid, st.st_uid, st.st_uid) == 0)
		return 0;
	snprintf(err, err_size, "cannot become uid %u: %s", st.st_uid, strerror(errno));
	return -EPERM;
}

static int order(const struct ctl *ctl, enum event_order what, char *err, size_t err_size)
{
	int r = event_order(ctl->config.x2go_state, ctl->args[1], what, wall_usec(), err, err_size);

	if (r == -ENOENT) {
		snprintf(err, err_size, "no client has reported a session '%.200s'", ctl->args[1]);
		return EXIT_NOTHING;
	}
	if (r < 0)
		return EXIT_FAILURE;
	puts("The client is told so when it reports next.");
	return EXIT_SUCCESS;
}

int command_x2go(const struct ctl *ctl)
{
	const char *what = ctl->args[0] ? ctl->args[0] : "list";
	enum event_order wanted = strcmp(what, "suspend") == 0     ? EVENT_ORDER_SUSPEND
	                          : strcmp(what, "terminate") == 0 ? EVENT_ORDER_TERMINATE
	                                                           : EVENT_ORDER_NONE;
	bool listing = strcmp(what, "list") == 0;
	char err[512] = "";
	int code = EXIT_FAILURE;

	if ((!listing && wanted == EVENT_ORDER_NONE) ||
	    (ctl->args[0] && (listing ? ctl->args[1] != NULL : !ctl->args[1] || ctl->args[2])) ||
	    (!listing && ctl->json))
		return usage_error("x2go takes nothing, `list`, `suspend ID` or `terminate ID`");
	if (become_owner(ctl->config.x2go_state, err, sizeof(err)) == 0)
		code = listing ? list(ctl, err, sizeof(err)) : order(ctl, wanted, err, sizeof(err));
	if (err[0])
		fprintf(stderr, "xproxyctl: %s\n", err);
	return code;
}
