/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/multifile.c - users in a text file, one line each. Guard; with its privileges.
 * System calls: those of base/readfile.c.
 *
 * An unknown name costs the same file and the same check as a wrong password. What is wrong with a
 * line is reported by its number, never by its contents.
 */
#include "auth/multifile.h"

#include "auth/hash.h"
#include "auth/load.h"
#include "base/macros.h"
#include "base/readfile.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define REPORTS_MAX 5 /* each login reads the file: a broken one must not flood the log */

/* What a field may be long, so that it fits where it goes. */
static const size_t field_max[MULTIFILE_FIELDS] = {
	[MULTIFILE_USERNAME] = AUTH_USERNAME_MAX - 1,
	[MULTIFILE_PASSWORD] = MULTIFILE_LINE_MAX,
	[MULTIFILE_UID] = sizeof(((struct auth_row *)0)->uid) - 1,
	[MULTIFILE_GID] = sizeof(((struct auth_row *)0)->gid) - 1,
	[MULTIFILE_DISPLAYS] = sizeof(((struct auth_row *)0)->displays) - 1,
	[MULTIFILE_ENV] = sizeof(((struct auth_row *)0)->env_options) - 1,
	[MULTIFILE_OPTIONS] = sizeof(((struct auth_row *)0)->session_options) - 1,
};

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* NULL if the line is good, else what is wrong with it. */
static const char *split_line(const char *p, size_t len, struct multifile_entry *ret)
{
	const char *end = p + len;
	size_t count = 0;

	*ret = (struct multifile_entry){0};
	if (len > MULTIFILE_LINE_MAX)
		return "longer than 64 KiB";
	if (memchr(p, '\0', len))
		return "has a NUL byte";
	for (;;) {
		const char *bar = memchr(p, '|', (size_t)(end - p));
		size_t n = (size_t)((bar ? bar : end) - p);

		if (count == MULTIFILE_FIELDS)
			return "more than 7 fields (a password cannot have a '|')";
		if (n > field_max[count])
			return "has a field that is too long";
		ret->fields[count].p = p;
		ret->fields[count].len = n;
		count++;
		if (!bar)
			break;
		p = bar + 1;
	}
	if (count < 2)
		return "fewer than 2 fields, USERNAME|PASSWORD";
	if (ret->fields[MULTIFILE_USERNAME].len == 0)
		return "has no user name";
	return NULL;
}

static const char *line_end(const char *p, const char *end)
{
	while (p < end && *p != '\n' && *p != '\r')
		p++;
	return p;
}

static const char *next_line(const char *stop, const char *end)
{
	if (end - stop >= 2 && stop[0] == '\r' && stop[1] == '\n')
		return stop + 2;
	return stop < end ? stop + 1 : end;
}

int multifile_find(const char *text, size_t len, const char *username, struct multifile_entry *ret,
                   void (*report)(void *context, size_t line, const char *why), void *context)
{
	const char *end = text + len;
	size_t username_len = strlen(username), number = 0;
	int found = 0;

	while (text < end) {
		const char *p = text, *stop = line_end(text, end), *why;
		struct multifile_entry e;

		number++;
		text = next_line(stop, end);
		while (p < stop && is_space(*p))
			p++;
		while (p < stop && is_space(stop[-1]))
			stop--;
		if (p == stop || *p == '#')
			continue;
		why = split_line(p, (size_t)(stop - p), &e);
		if (why) {
			report(context, number, why);
			continue;
		}
		if (e.fields[MULTIFILE_USERNAME].len != username_len ||
		    memcmp(e.fields[MULTIFILE_USERNAME].p, username, username_len) != 0)
			continue;
		if (found)
			report(context, number, "this user has an earlier line, which counts");
		else
			*ret = e;
		found = 1;
	}
	return found;
}

/* The rest is the module. */

struct reports {
	const struct auth_attempt *attempt;
	const char *file;
	size_t count;
};

static void report_line(void *context, size_t line, const char *why)
{
	struct reports *r = context;
	char text[AUTH_ERROR_MAX];

	if (++r->count > REPORTS_MAX || !r->attempt->warn)
		return;
	snprintf(text, sizeof(text), "%s:%zu: line skipped: %s", auth_path_tail(r->file), line,
	         why);
	r->attempt->warn(r->attempt, text);
}

static void report_rest(const struct reports *r)
{
	char text[AUTH_ERROR_MAX];

	if (r->count <= REPORTS_MAX || !r->attempt->warn)
		return;
	snprintf(text, sizeof(text), "%s: %zu more lines skipped", auth_path_tail(r->file),
	         r->count - REPORTS_MAX);
	r->attempt->warn(r->attempt, text);
}

static void copy_field(const struct multifile_entry *e, enum multifile_field f, char *ret)
{
	if (e->fields[f].len > 0)
		memcpy(ret, e->fields[f].p, e->fields[f].len);
	ret[e->fields[f].len] = '\0';
}

static void copy_sessions(const struct multifile_entry *e, struct auth_row *ret)
{
	ret->has_sessions = true;
	copy_field(e, MULTIFILE_UID, ret->uid);
	copy_field(e, MULTIFILE_GID, ret->gid);
	copy_field(e, MULTIFILE_DISPLAYS, ret->displays);
	copy_field(e, MULTIFILE_ENV, ret->env_options);
	copy_field(e, MULTIFILE_OPTIONS, ret->session_options);
}

static int verify_text(struct auth_attempt *a, const char *file, const char *text, size_t len,
                       struct auth_row *ret_row)
{
	struct reports reports = {.attempt = a, .file = file};
	struct multifile_entry e;
	/* The same for somebody who is not there, so that the time it takes is the same too. */
	const char *stored = hash_of_nobody(a->options);
	size_t stored_len = strlen(stored);
	bool found = multifile_find(text, len, a->username, &e, report_line, &reports), right;
	_cleanup_wipe_ char *copy = NULL;

	if (found) {
		stored = e.fields[MULTIFILE_PASSWORD].p;
		stored_len = e.fields[MULTIFILE_PASSWORD].len;
	}
	copy = strndup(stored, stored_len);
	if (!copy)
		return -ENOMEM;
	right = hash_check(a, copy, stored_len) && found;
	report_rest(&reports);
	if (!right)
		return 0;
	copy_sessions(&e, ret_row);
	return 1;
}

static int multifile_verify(struct auth_attempt *a, struct auth_row *ret_row)
{
	const char *file = auth_option(a->options, "filename", "");
	char *text;
	size_t len;
	int r = readfile_secret(file, MULTIFILE_FILE_MAX, &text, &len, a->error);

	if (r < 0)
		return r;
	r = verify_text(a, file, text, len, ret_row);
	readfile_free(text, len);
	return r;
}

static int multifile_lookup(struct auth_attempt *a, struct auth_row *ret_row)
{
	const char *file = auth_option(a->options, "filename", "");
	struct reports reports = {.attempt = a, .file = file};
	struct multifile_entry e;
	char *text;
	size_t len;
	int r = readfile_secret(file, MULTIFILE_FILE_MAX, &text, &len, a->error);

	if (r < 0)
		return r;
	r = multifile_find(text, len, a->username, &e, report_line, &reports);
	report_rest(&reports);
	if (r > 0)
		copy_sessions(&e, ret_row);
	readfile_free(text, len);
	return r;
}

static int multifile_open(const struct auth_options *options, char *err)
{
	const char *file = auth_option(options, "filename", "");
	char *text;
	size_t len;
	int r;

	if (!*file) {
		snprintf(err, AUTH_ERROR_MAX, "module 'multifile' needs filename=");
		return -EINVAL;
	}
	r = hash_open(options, err);
	if (r < 0)
		return r;
	r = readfile_secret(file, MULTIFILE_FILE_MAX, &text, &len, err);
	if (r == 0)
		readfile_free(text, len);
	return r;
}

static const char *const multifile_options[] = {"filename", "passwords", NULL};

const struct auth_module auth_multifile = {
	.abi = AUTH_MODULE_ABI,
	.name = "multifile",
	.flags = AUTH_CHALLENGE,
	.options = multifile_options,
	.open = multifile_open,
	.verify = multifile_verify,
	.lookup = multifile_lookup,
};
