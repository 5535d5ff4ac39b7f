/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/exec_sessions.c - what a program prints for Registry=exec(command=...): a user's record
 * (exec-sessions.so). Checker or xproxyctl, with their privilege. System calls: none.
 *
 *   {"uid": 1000, "gid": "users", "sessions": [{"uri": "tcp://pod-7:14500/", "name": "desk"}],
 *    "env": {"LANG": "C"}, "options": {"compression": "lz4"}}
 *
 * Or, instead of sessions, "displays": [":10", ...]. null: there is no such user. What is not
 * known, or given twice, is an error: a typo must not cost somebody their sessions unheard.
 */
#include "auth/exec_sessions.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

extern const struct exec_sessions exec_sessions;

__attribute__((format(printf, 2, 3))) static int fail(struct auth_attempt *a, const char *fmt, ...)
{
	int n = snprintf(a->error, sizeof(a->error), "the record of %.60s: ",
	                 auth_path_tail(auth_option(a->options, "command", "")));
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(a->error + n, sizeof(a->error) - (size_t)n, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* Where pieces are joined to what a table's column would hold. */
struct joined {
	char *text;
	size_t size;
};

/* Adds a piece that has none of these characters, nor ones that no column may have. */
static bool add(struct joined *j, const char *piece, const char *without)
{
	size_t have = strlen(j->text), n = strlen(piece);

	for (const char *p = piece; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f || strchr(without, *p))
			return false;
	if (have + n >= j->size)
		return false;
	memcpy(j->text + have, piece, n + 1);
	return true;
}

static bool add_mark(struct joined *j, const char *mark)
{
	return add(j, mark, "");
}

/* uid and gid: a number or a name. */
static int read_id(struct auth_attempt *a, const json_t *value, const char *name, char *ret,
                   size_t size)
{
	struct joined j = {ret, size};

	if (json_is_integer(value) && json_integer_value(value) >= 0 &&
	    json_integer_value(value) < UINT32_MAX) {
		snprintf(ret, size, "%lld", (long long)json_integer_value(value));
		return 0;
	}
	if (!value || (json_is_string(value) && add(&j, json_string_value(value), " ,;|:/")))
		return 0;
	return fail(a, "%s is a number below 4294967295 or a name", name);
}

static int read_session(struct auth_attempt *a, const json_t *value, struct joined *j)
{
	const char *uri = json_string_value(value), *name = NULL;
	json_error_t error;

	if (!uri && json_unpack_ex((json_t *)value, &error, JSON_STRICT, "{s:s, s?:s}", "uri", &uri,
	                           "name", &name) < 0)
		return fail(a, "a session is {\"uri\": \"...\", \"name\": \"...\"}: %s",
		            error.text);
	if ((*j->text && !add_mark(j, ",")) ||
	    (name && (!*name || !add(j, name, ",=/: ") || !add_mark(j, "="))) || !*uri ||
	    !add(j, uri, ","))
		return fail(a,
		            "a session has no ',', a name neither '=', '/', ':' nor blanks, and "
		            "all of them are at most %zu bytes",
		            j->size - 1);
	return 0;
}

static int read_sessions(struct auth_attempt *a, const json_t *list, struct auth_row *row)
{
	struct joined j = {row->displays, sizeof(row->displays)};
	size_t i;
	json_t *value;
	int r = 0;

	if (list && !json_is_array(list))
		return fail(a, "sessions and displays are lists");
	json_array_foreach(list, i, value)
	{
		r = read_session(a, value, &j);
		if (r < 0)
			return r;
	}
	return r;
}

static int read_pairs(struct auth_attempt *a, json_t *object, const char *what, char *ret,
                      size_t size)
{
	struct joined j = {ret, size};
	const char *name;
	json_t *value;

	if (object && !json_is_object(object))
		return fail(a, "%s is an object", what);
	json_object_foreach(object, name, value)
	{
		const char *text = json_string_value(value);

		if (!text)
			return fail(a, "the values of %s are strings", what);
		if (!*name || !add(&j, name, "=; ") || !add_mark(&j, "=") || !add(&j, text, ";") ||
		    !add_mark(&j, ";"))
			return fail(a, "%s cannot have ';', and is at most %zu bytes", what,
			            size - 1);
	}
	return 0;
}

static int read_object(struct auth_attempt *a, json_t *root, struct auth_row *row)
{
	json_t *uid = NULL, *gid = NULL, *sessions = NULL, *displays = NULL, *env = NULL;
	json_t *options = NULL;
	json_error_t error;
	int r;

	if (json_unpack_ex(root, &error, JSON_STRICT, "{s?:o, s?:o, s?:o, s?:o, s?:o, s?:o}", "uid",
	                   &uid, "gid", &gid, "sessions", &sessions, "displays", &displays, "env",
	                   &env, "options", &options) < 0)
		return fail(a, "%s", error.text);
	if (!sessions == !displays)
		return fail(a, "needs one of sessions and displays");
	row->has_sessions = true;
	r = read_id(a, uid, "uid", row->uid, sizeof(row->uid));
	if (r == 0)
		r = read_id(a, gid, "gid", row->gid, sizeof(row->gid));
	if (r == 0)
		r = read_sessions(a, sessions ? sessions : displays, row);
	if (r == 0)
		r = read_pairs(a, env, "env", row->env_options, sizeof(row->env_options));
	if (r == 0)
		r = read_pairs(a, options, "options", row->session_options,
		               sizeof(row->session_options));
	return r < 0 ? r : 1;
}

static int read_record(struct auth_attempt *a, const char *text, size_t len,
                       struct auth_row *ret_row)
{
	struct auth_row row = {0};
	json_error_t error;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	int r;

	if (!root) /* its own words may quote the record, which can hold passwords */
		return fail(a, "is not JSON in line %d, column %d", error.line, error.column);
	r = json_is_null(root) ? 0 : read_object(a, root, &row);
	if (r > 0)
		*ret_row = row;
	explicit_bzero(&row, sizeof(row));
	json_decref(root);
	return r;
}

const struct exec_sessions exec_sessions = {
	.abi = AUTH_MODULE_ABI,
	.read = read_record,
};
