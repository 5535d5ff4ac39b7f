/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ctl/penalties.c - `xproxyctl penalties`: who is refused for failed logins, and to forget it. As
 * its caller: root sees the machine's table, an ordinary user the one of their own connections.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "auth/penalty-table.h"
#include "base/clock.h"
#include "base/macros.h"
#include "base/runtime.h"
#include "base/table.h"
#include "ctl/ctl.h"
#include "ctl/show.h"

struct listing {
	uint64_t now;
	size_t count;
	bool json;
};

static const int widths[] = {26, 8, 8, 11};

/* "2.5": a login that was not finished counts half. */
static const char *failures(const struct penalty_entry *e, char buf[16])
{
	snprintf(buf, 16, "%u%s", e->score / PENALTY_FAILURE_SCORE,
	         e->score % PENALTY_FAILURE_SCORE ? ".5" : "");
	return buf;
}

static void print_json(const struct penalty_entry *e, uint64_t left_sec, bool first)
{
	char source[PENALTY_KEY_TEXT], failed[16];

	fputs(first ? "[\n  {\"source\": " : ",\n  {\"source\": ", stdout);
	show_json_string(penalty_key_print(&e->key, source));
	printf(", \"failures\": %s, \"refusals\": %u, \"refused_sec\": %" PRIu64
	       ", \"refused_until\": ",
	       failures(e, failed), e->refusals, left_sec);
	if (left_sec > 0)
		printf("%" PRIu64 "}", wall_usec() / USEC_PER_SEC + left_sec);
	else
		fputs("null}", stdout);
}

static void print_row(const struct penalty_entry *e, uint64_t left_sec, bool first)
{
	static const char *const heads[] = {"Source", "Failures", "Refusals", "Refused for",
	                                    "Until"};
	char source[PENALTY_KEY_TEXT], failed[16], refusals[16], left[32] = "-", until[32] = "-";
	const char *const cells[] = {penalty_key_print(&e->key, source), failures(e, failed),
	                             refusals, left, until};
	time_t when = (time_t)(wall_usec() / USEC_PER_SEC + left_sec);
	struct tm tm;

	snprintf(refusals, sizeof(refusals), "%u", e->refusals);
	if (left_sec > 0) {
		show_age(left_sec, left, sizeof(left));
		if (localtime_r(&when, &tm))
			strftime(until, sizeof(until), "%F %T", &tm);
	}
	if (first) {
		table_row(heads, widths, ARRAY_SIZE(heads));
		table_rule(widths, ARRAY_SIZE(widths));
	}
	table_row(cells, widths, ARRAY_SIZE(cells));
}

static void print(void *context, const struct penalty_entry *e)
{
	struct listing *l = context;
	uint64_t left = e->refused_usec > l->now ? e->refused_usec - l->now : 0;

	(l->json ? print_json : print_row)(e, (left + USEC_PER_SEC - 1) / USEC_PER_SEC,
	                                   l->count++ == 0);
}

static int list(const struct ctl *ctl, int fd)
{
	struct listing l = {.now = penalty_now(), .json = ctl->json};
	int r = fd < 0 ? 0 : penalty_table_each(fd, l.now, print, &l);

	if (ctl->json)
		puts(l.count ? "\n]" : "[]");
	else if (l.count == 0 && r == 0)
		puts("No failed logins.");
	return r;
}

struct wanted {
	const char *text;
	struct penalty_key key; /* of family 0: not found */
};

static void compare(void *context, const struct penalty_entry *e)
{
	char source[PENALTY_KEY_TEXT];
	struct wanted *w = context;

	if (strcmp(penalty_key_print(&e->key, source), w->text) == 0)
		w->key = e->key;
}

/* An address, or a source as it is listed. How many were forgotten, or a negative errno. */
static int forget(int fd, const char *text)
{
	struct wanted w = {.text = text};
	struct netaddr_range range;
	int r = 0;

	if (netaddr_parse_range(text, &range) < 0 ||
	    !penalty_key_of_address(&range.first, &w.key)) {
		w.key.family = 0;
		r = penalty_table_each(fd, penalty_now(), compare, &w);
	}
	return r < 0 ? r : w.key.family == 0 ? 0 : penalty_table_clear(fd, &w.key);
}

int command_penalties(const struct ctl *ctl)
{
	_cleanup_close_ int fd = -1;
	char path[256];
	bool remade;
	int r;

	if (ctl->args[0] || (ctl->clear && ctl->clear_all))
		return usage_error(
			"penalties takes --clear ADDRESS or --clear-all, and no argument");
	r = runtime_path(PENALTY_FILE, path, sizeof(path));
	fd = r < 0 ? r : penalty_table_open(path, false, &remade);
	r = fd == -ENOENT ? 0 : fd; /* nobody has failed yet */
	if (r >= 0 && (ctl->clear || ctl->clear_all)) {
		r = fd < 0       ? 0
		    : ctl->clear ? forget(fd, ctl->clear)
		                 : penalty_table_clear(fd, NULL);
		if (r == 0 && ctl->clear) {
			fprintf(stderr, "xproxyctl: %s: no failed logins from there\n", ctl->clear);
			return EXIT_NOTHING;
		}
		if (r >= 0)
			printf("Forgotten: %d\n", r);
	} else if (r >= 0) {
		r = list(ctl, fd);
	}
	if (r >= 0)
		return EXIT_SUCCESS;
	fprintf(stderr, "xproxyctl: %s: %s\n", path,
	        r == -EPERM ? "not a file of yours" : strerror(-r));
	return EXIT_FAILURE;
}
