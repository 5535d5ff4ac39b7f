/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/load.c - module specs, the module table, loadable modules. Guard; with its privileges, which
 * a loaded object gets too: it comes only from the program's own folders, under a checked name.
 * System calls: readlink, open, read, mmap (dlopen), getdents (only to say what there is).
 */
#include "auth/load.h"

#include "auth/username.h"
#include "base/macros.h"
#include "base/module.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

#define SPEC_MAX 8192
#define NAME_LEN_MAX 32

static const struct auth_module *const builtin[] = {
	&auth_none, &auth_allow,      &auth_reject,      &auth_fail,        &auth_password,
	&auth_env,  &auth_file,       &auth_multifile,   &auth_peercred,    &auth_hosts,
	&auth_exec, &auth_capability, &auth_http_header, &auth_certificate, &auth_ratelimit,
};

/* Loadable ones that take no time and little memory: the others get a process of their own. */
static const char *const quick[] = {"sqlite"};

/* Names of what is in another's object. */
static const struct {
	const char *name, *object, *symbol;
} others[] = {
	{"sql", "pgsql", "auth_module"}, /* with an URI of postgresql: */
	{"sys", "pam", "auth_module"},   /* what xpra calls it where there is PAM */
	{"ldap3", "ldap", "auth_ldap3"},
	{"kerberos-token", "gss", "auth_kerberos_token"},
};

static bool name_ok(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return n > 0 && n <= NAME_LEN_MAX && name[n] == '\0';
}

__attribute__((format(printf, 3, 4))) static int fail(char *err, int r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, AUTH_ERROR_MAX, fmt, ap);
	va_end(ap);
	return r;
}

__attribute__((format(printf, 2, 3))) static void append(char *err, const char *fmt, ...)
{
	size_t n = strlen(err);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err + n, AUTH_ERROR_MAX - n, fmt, ap);
	va_end(ap);
}

static void append_loadable(char *err, const char *folder)
{
	DIR *dir = opendir(folder);
	const struct dirent *e;

	while (dir && (e = readdir(dir))) {
		size_t n = strlen(e->d_name);

		if (n <= 8 || strncmp(e->d_name, "auth-", 5) != 0 ||
		    strcmp(e->d_name + n - 3, ".so") != 0)
			continue;
		append(err, " %.*s", (int)n - 8, e->d_name + 5);
		for (size_t i = 0; i < ARRAY_SIZE(others); i++)
			if (strlen(others[i].object) == n - 8 &&
			    strncmp(others[i].object, e->d_name + 5, n - 8) == 0)
				append(err, " %s", others[i].name);
	}
	if (dir)
		closedir(dir);
}

static int unknown_module(const char *name, const struct module_folders *f, char *err)
{
	static const char hint[] = "; Debian has more in xproxy-modules";
	size_t n;

	fail(err, 0, "unknown module '%s'; there are:", name);
	for (size_t i = 0; i < ARRAY_SIZE(builtin); i++)
		append(err, " %s", builtin[i]->name);
	for (size_t i = 0; i < f->count; i++)
		append_loadable(err, f->items[i]);
	n = strlen(err) < AUTH_ERROR_MAX - sizeof(hint) ? strlen(err)
	                                                : AUTH_ERROR_MAX - sizeof(hint);
	memcpy(err + n, hint, sizeof(hint));
	return -ENOENT;
}

static int load_object(const char *name, const struct auth_module **ret, char *err)
{
	char path[PATH_MAX], file[NAME_LEN_MAX + 16];
	const char *why = "?", *object = name, *entry = "auth_module";
	const void *symbol;
	const struct auth_module *m;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (strcmp(others[i].name, name) == 0) {
			object = others[i].object;
			entry = others[i].symbol;
		}
	snprintf(file, sizeof(file), "auth-%s.so", object);
	r = module_load(file, entry, &symbol, path, &why);
	if (r == -ENOENT)
		return r;
	if (r < 0)
		return fail(err, r, "cannot load module '%s': %s", name, why);
	m = symbol;
	if (m->abi != AUTH_MODULE_ABI)
		return fail(err, -ELIBBAD,
		            "%s was built for another version of xproxy (module abi %u, not %d)",
		            auth_path_tail(path), m->abi, AUTH_MODULE_ABI);
	if (!m->name || (strcmp(m->name, name) != 0 && strcmp(m->name, object) != 0) ||
	    !m->options || !m->verify)
		return fail(err, -ELIBBAD, "%s is not a usable module '%s'", auth_path_tail(path),
		            name);
	*ret = m;
	return 0;
}

static int find_module(const char *name, const struct auth_module **ret, char *err)
{
	struct module_folders f;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(builtin); i++)
		if (strcmp(builtin[i]->name, name) == 0) {
			*ret = builtin[i];
			return 0;
		}
	r = load_object(name, ret, err);
	if (r != -ENOENT)
		return r;
	module_folders_get(&f);
	return unknown_module(name, &f, err);
}

static bool listed(const char *const *names, const char *name)
{
	for (; *names; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

static bool takes_option(const struct auth_module *m, const char *name)
{
	return listed(m->options, name) || listed(username_options, name) ||
	       strcmp(name, "prompt") == 0;
}

static int unknown_option(const struct auth_module *m, const char *name, size_t number, char *err)
{
	/* a comma in a password makes its second half look like an option */
	if (m->flags & AUTH_SECRET)
		fail(err, 0, "module '%s': option %zu is unknown (a value cannot have a comma)",
		     m->name, number);
	else
		fail(err, 0, "module '%s' has no option '%.64s'", m->name, name);
	append(err, "; it takes:");
	for (size_t i = 0; m->options[i]; i++)
		append(err, " %s", m->options[i]);
	append(err, " prompt");
	for (size_t i = 0; username_options[i]; i++)
		append(err, " %s", username_options[i]);
	return -EINVAL;
}

static int add_option(const struct auth_module *m, struct auth_options *o, char *name, char *value,
                      char *err)
{
	size_t number = o->count + 1;

	if (!takes_option(m, name))
		return unknown_option(m, name, number, err);
	if (auth_option(o, name, NULL))
		return fail(err, -EINVAL, "module '%s': option '%s' is given twice", m->name, name);
	if (o->count == AUTH_OPTIONS_MAX)
		return fail(err, -E2BIG, "module '%s' has more than %d options", m->name,
		            AUTH_OPTIONS_MAX);
	o->items[o->count].name = name;
	o->items[o->count].value = value;
	o->count++;
	return 0;
}

/* Ends the item at p and returns the start of the next one, NULL after the last. A value between
 * double quotes (*value is moved past the first) ends at a quote that a comma or the end follows.
 */
static char *end_item(char *p, bool quotes, char **value)
{
	char *end = NULL;

	if (quotes && *value && **value == '"')
		for (end = strchr(*value + 1, '"'); end; end = strchr(end + 1, '"'))
			if (end[1] == ',' || end[1] == '\0')
				break;
	if (end) {
		bool more = end[1] == ',';

		*end = '\0';
		++*value;
		return more ? end + 2 : NULL;
	}
	end = strchr(p, ',');
	if (!end)
		return NULL;
	*end = '\0';
	return end + 1;
}

static int split_options(char *p, bool quotes, const struct auth_module *m, struct auth_options *o,
                         char *err)
{
	while (p) {
		char *name = p + strspn(p, " \t"), *value, *next;
		size_t len = strcspn(name, "=,");

		value = name[len] == '=' ? name + len + 1 : NULL;
		next = end_item(name, quotes, &value);
		if (value) {
			int r;

			name[len] = '\0';
			r = add_option(m, o, name, value, err);
			if (r < 0)
				return r;
		} else if (*name) {
			return fail(err, -EINVAL,
			            "module '%s': option %zu has no '='; a value with commas goes "
			            "in double quotes: %s(name=\"a,b\")",
			            m->name, o->count + 1, m->name);
		}
		p = next;
	}
	return 0;
}

static int parse_spec(struct auth_instance *in, char *err)
{
	char *name = in->storage + strspn(in->storage, " \t"), *end = name + strcspn(name, ":,(");
	char *rest = *end ? end + 1 : NULL;
	bool parentheses = *end == '(';
	int r;

	if (parentheses) {
		size_t n = strlen(rest);

		while (n > 0 && isspace((unsigned char)rest[n - 1]))
			n--;
		if (n == 0 || rest[n - 1] != ')')
			return fail(err, -EINVAL,
			            "a module's options end with ')': name(option=value)");
		rest[n - 1] = '\0';
	}
	while (end > name && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	if (!name_ok(name))
		return fail(err, -EINVAL,
		            "the name of a module is made of a-z, 0-9 and '-', as in "
		            "name(option=value)");
	r = find_module(name, &in->module, err);
	if (r < 0)
		return r;
	return split_options(rest, parentheses, in->module, &in->options, err);
}

const char *auth_alternative(const char *spec)
{
	bool quoted = false;

	for (const char *p = spec; *p; p++) {
		if (*p == '"' && (quoted || (p > spec && p[-1] == '=')))
			quoted = !quoted;
		if (!quoted && strncmp(p, " || ", 4) == 0)
			return p + 4;
	}
	return NULL;
}

/* What an option makes of a module. */
static unsigned flags_of(const struct auth_instance *in)
{
	const struct auth_options *o = &in->options;
	bool hashed = strcmp(auth_option(o, "passwords", ""), "hashed") == 0;
	bool asks = auth_truth(auth_option(o, "require-challenge", "no")) == 1;
	bool looks_up = auth_truth(auth_option(o, "dns", "no")) == 1;

	return in->module->flags | (hashed ? AUTH_CLEAR : 0) |
	       (asks ? AUTH_CHALLENGE | AUTH_CLEAR : 0) | (looks_up ? AUTH_WAITS : 0);
}

int auth_load(const char *spec, struct auth_instance *ret, char err[AUTH_ERROR_MAX])
{
	const char *next = auth_alternative(spec);
	struct auth_instance in = {.storage_len = next ? (size_t)(next - spec) - 4 : strlen(spec)};
	int r;

	if (in.storage_len > SPEC_MAX)
		return fail(err, -E2BIG, "a module with its options is longer than %d bytes",
		            SPEC_MAX);
	in.storage = strndup(spec, in.storage_len);
	if (!in.storage)
		return fail(err, -ENOMEM, "out of memory");
	r = parse_spec(&in, err);
	if (r < 0) {
		auth_unload(&in);
		return r;
	}
	in.flags = flags_of(&in);
	*ret = in;
	return 0;
}

void auth_unload(struct auth_instance *instance)
{
	if (instance->storage)
		explicit_bzero(instance->storage, instance->storage_len);
	free(instance->storage);
	*instance = (struct auth_instance){0};
}

/* A built-in one: with these options, which it takes no time to read. */
static bool builtin_waits(const char *spec)
{
	struct auth_instance in = {0};
	char err[AUTH_ERROR_MAX];
	bool waits;

	if (auth_load(spec, &in, err) < 0)
		return false; /* whoever opens it says why */
	waits = in.flags & AUTH_WAITS;
	auth_unload(&in);
	return waits;
}

bool auth_waits(const char *spec)
{
	for (; spec; spec = auth_alternative(spec)) {
		const char *name = spec + strspn(spec, " \t");
		size_t len = strcspn(name, " \t:,(");
		bool known = false, waits = true;

		for (size_t i = 0; i < ARRAY_SIZE(builtin); i++)
			if (strlen(builtin[i]->name) == len &&
			    strncmp(builtin[i]->name, name, len) == 0)
				known = true;
		if (known)
			waits = builtin_waits(spec);
		for (size_t i = 0; i < ARRAY_SIZE(quick); i++)
			if (strlen(quick[i]) == len && strncmp(quick[i], name, len) == 0)
				waits = false;
		if (waits)
			return true;
	}
	return false;
}
