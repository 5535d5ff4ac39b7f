/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/profiles.c - reads the profiles: a file, and the rows of a user's record. In
 * xproxy-x2gobroker, without privilege. System calls: those of base/readfile.c.
 *
 * Texts stay in the buffers that were read; keys and values point into them.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <strings.h>

#include "base/macros.h"
#include "base/readfile.h"
#include "broker/ini.h"
#include "broker/profile_private.h"
#include "broker/rows.h"

#define DEFAULTS "DEFAULT"

/* What is being read. */
struct section {
	char id[PROFILE_ID_MAX];
	const char *name;
	struct profile_pair *pairs;
	size_t count;
	bool broken; /* has a value that cannot be used: nobody is offered it */
};

struct loader {
	struct section defaults, *sections, *now;
	size_t count;
	const char *path;      /* "": the rows */
	struct profiles *said; /* what is left out, and why */
};

struct profiles {
	struct profile *list;
	size_t count;
	char *buffers[2]; /* the file, the rows */
	char **left_out;
	size_t left_out_count;
};

__attribute__((format(printf, 2, 3))) static int fail(struct ini_error *e, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(e->text, sizeof(e->text), format, ap);
	va_end(ap);
	return -EINVAL;
}

/* Where and what. */
static void explain(const char *path, const struct ini_error *e, char *err, size_t err_size)
{
	size_t n = strlen(path);

	if (path[0])
		snprintf(err, err_size, "%s:%u: %s", n > 100 ? path + n - 100 : path, e->line,
		         e->text);
	else
		snprintf(err, err_size, "the user's record, x2go session %u: %s", e->line, e->text);
}

/* ---- taking what is read ---- */

/* An array has room for a power of two. NULL: no memory. */
static void *grow(void *array, size_t count, size_t size)
{
	return count & (count - 1) ? array : reallocarray(array, count ? count * 2 : 1, size);
}

static char *trim(char *value)
{
	size_t len;

	value += strspn(value, " \t\n");
	for (len = strlen(value); len > 0 && strchr(" \t\n", value[len - 1]); len--)
		;
	value[len] = '\0';
	return value;
}

/* Requests name a profile as it is, and clients read the list with QSettings, where a group cannot
 * be called General, and have a use of their own for one of the others. */
static int make_id(const char *name, char ret[PROFILE_ID_MAX], struct ini_error *e)
{
	size_t n = 0;

	if (strcasecmp(name, "general") == 0 || strcasecmp(name, "embedded") == 0 ||
	    (*name && !isalnum((unsigned char)*name) && *name != '_'))
		ret[n++] = '_';
	for (; *name; name++) {
		const bool plain = isalnum((unsigned char)*name) || strchr("._-", *name);

		if (n + 1 >= PROFILE_ID_MAX)
			return fail(e, "the name of the profile is too long");
		if (plain || ret[n - 1] != '-')
			ret[n++] = (char)(plain ? *name : '-');
	}
	ret[n] = '\0';
	return n > 0 ? 0 : fail(e, "the profile has no name");
}

static int take_section(struct loader *l, const struct ini_entry *entry, struct ini_error *e)
{
	struct section s = {.name = trim(entry->section)}, *array;
	int r;

	if (strcmp(s.name, DEFAULTS) == 0) {
		l->now = &l->defaults;
		return 0;
	}
	r = make_id(s.name, s.id, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < l->count; i++)
		if (strcmp(l->sections[i].id, s.id) == 0)
			return fail(e, "there is another profile '%.100s'", s.id);
	if (l->count == PROFILES_MAX)
		return fail(e, "there are more than %d profiles", PROFILES_MAX);
	array = grow(l->sections, l->count, sizeof(s));
	if (!array)
		return -ENOMEM;
	l->sections = array;
	l->now = &array[l->count++];
	*l->now = s;
	return 0;
}

static int check_key(const struct section *s, const char *key, struct ini_error *e)
{
	size_t len = strlen(key);

	if (len > PROFILE_KEY_MAX)
		return fail(e, "a key is longer than %d bytes", PROFILE_KEY_MAX);
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)key[i]) && !strchr("._-", key[i]))
			return fail(e, "'%s': a key is made of letters, digits, '.', '_' and '-'",
			            key);
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->pairs[i].key, key) == 0)
			return fail(e, "%s= is there twice", key);
	return s->count < PROFILE_KEYS_MAX
	               ? 0
	               : fail(e, "a section has more than %d keys", PROFILE_KEYS_MAX);
}

/* A mistake in one profile is not for the others to pay; one in what is common to all is. */
static int set_aside(struct loader *l, const struct ini_entry *entry, const struct ini_error *e)
{
	struct ini_error here = {.line = entry->line};
	struct profiles *p = l->said;
	char **array, text[INI_ERROR_MAX + 128];

	if (l->now == &l->defaults)
		return -EINVAL;
	memcpy(here.text, e->text, sizeof(here.text));
	explain(l->path, &here, text, sizeof(text));
	array = grow(p->left_out, p->left_out_count, sizeof(*array));
	if (!array)
		return -ENOMEM;
	p->left_out = array;
	array[p->left_out_count] = strdup(text);
	if (!array[p->left_out_count])
		return -ENOMEM;
	p->left_out_count++;
	l->now->broken = true;
	return 0;
}

static int take(void *data, const struct ini_entry *entry, struct ini_error *e)
{
	struct loader *l = data;
	struct profile_pair *array;
	const char *wrong;
	char *value;
	int r;

	if (!entry->key)
		return take_section(l, entry, e);
	r = check_key(l->now, entry->key, e);
	if (r < 0)
		return r;
	value = trim(entry->value);
	if (strlen(value) > PROFILE_VALUE_MAX)
		return fail(e, "%s= is longer than %u bytes", entry->key, PROFILE_VALUE_MAX);
	wrong = profile_check(entry->key, value);
	if (wrong) {
		(void)fail(e, "%s=%.60s: %s", entry->key, value, wrong);
		return set_aside(l, entry, e);
	}
	array = grow(l->now->pairs, l->now->count, sizeof(*array));
	if (!array)
		return -ENOMEM;
	l->now->pairs = array;
	array[l->now->count++] = (struct profile_pair){entry->key, value};
	return 0;
}

/* ---- putting one over the other ---- */

static void put(struct profile *p, const char *key, const char *value)
{
	size_t i = 0;

	while (i < p->count && strcmp(p->pairs[i].key, key) != 0)
		i++;
	p->pairs[i] = (struct profile_pair){key, value};
	p->count += i == p->count;
}

/* Desktops are known by their names in capitals, and are no single windows. */
static void fix_command(struct profile *p)
{
	static const char *const desktops[] = {"KDE",   "GNOME",   "XFCE",    "CINNAMON",
	                                       "MATE",  "LXDE",    "TRINITY", "UNITY",
	                                       "ICEWM", "OPENBOX", "XDMCP"};
	const char *command = "";

	for (size_t i = 0; i < p->count; i++)
		if (strcmp(p->pairs[i].key, "command") == 0)
			command = p->pairs[i].value;
	for (size_t i = 0; i < ARRAY_SIZE(desktops); i++)
		if (strcasecmp(command, desktops[i]) == 0) {
			put(p, "command", desktops[i]);
			put(p, "rootless", "0");
		}
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct profile_pair *)a)->key, ((const struct profile_pair *)b)->key);
}

static int merge(const struct section *defaults, const struct section *s, struct profile *p)
{
	size_t n = 0;

	*p = (struct profile){.count = 0};
	memcpy(p->id, s->id, sizeof(p->id));
	/* name, command, rootless */
	p->pairs = calloc(profile_keys_count + defaults->count + s->count + 3, sizeof(p->pairs[0]));
	if (!p->pairs)
		return -ENOMEM;
	put(p, "name", s->name);
	for (size_t i = 0; i < profile_keys_count; i++)
		if (profile_keys[i].fallback)
			put(p, profile_keys[i].name, profile_keys[i].fallback);
	for (size_t i = 0; i < defaults->count; i++)
		put(p, defaults->pairs[i].key, defaults->pairs[i].value);
	for (size_t i = 0; i < s->count; i++)
		put(p, s->pairs[i].key, s->pairs[i].value);
	fix_command(p);
	for (size_t i = 0; i < p->count; i++)
		if (!profile_is_unset(p->pairs[i].key, p->pairs[i].value) &&
		    strcmp(p->pairs[i].key, "default") != 0)
			p->pairs[n++] = p->pairs[i];
	p->count = n;
	qsort(p->pairs, p->count, sizeof(p->pairs[0]), by_key);
	return 0;
}

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct profile *)a)->id, ((const struct profile *)b)->id);
}

static int merge_all(const struct loader *l, struct profiles *p)
{
	int r = 0;

	p->list = calloc(l->count ? l->count : 1, sizeof(p->list[0]));
	if (!p->list)
		return -ENOMEM;
	for (size_t i = 0; i < l->count && r == 0; i++)
		if (!l->sections[i].broken)
			r = merge(&l->defaults, &l->sections[i], &p->list[p->count++]);
	qsort(p->list, p->count, sizeof(p->list[0]), by_id);
	return r;
}

/* ---- reading ---- */

static int read_all(struct loader *l, struct profiles *p, size_t len, const char *path, char *err,
                    size_t err_size)
{
	struct ini_error e;
	int r;

	l->path = path;
	l->said = p;
	r = ini_read(p->buffers[0], len, take, l, &e);
	if (r == 0) {
		l->path = "";
		r = rows_read(p->buffers[1], take, l, &e);
	}
	if (r < 0 && r != -ENOMEM)
		explain(l->path, &e, err, err_size);
	else
		snprintf(err, err_size, "%s", p->left_out_count ? p->left_out[0] : "");
	return r == -EBADMSG ? -EINVAL : r;
}

/* Both buffers are malloc'd, or NULL, and taken over. */
static int load(char *text, size_t len, const char *path, char *rows, struct profiles **ret,
                char *err, size_t err_size)
{
	struct profiles *p = calloc(1, sizeof(*p));
	struct loader l = {.count = 0};
	int r = -ENOMEM;

	if (p && text && rows) {
		p->buffers[0] = text;
		p->buffers[1] = rows;
		text = rows = NULL;
		r = read_all(&l, p, len, path, err, err_size);
		if (r == 0)
			r = merge_all(&l, p);
	}
	if (r == -ENOMEM)
		snprintf(err, err_size, "there is no memory left");
	for (size_t i = 0; i < l.count; i++)
		free(l.sections[i].pairs);
	free(l.sections);
	free(l.defaults.pairs);
	free(text);
	free(rows);
	if (r < 0)
		profiles_free(p);
	else
		*ret = p;
	return r;
}

int profiles_parse(const char *text, size_t len, const char *path, const char *rows,
                   struct profiles **ret, char *err, size_t err_size)
{
	char *copy = malloc(len + 1);

	if (copy && len > 0)
		memcpy(copy, text, len);
	return load(copy, len, path, strdup(rows ? rows : ""), ret, err, err_size);
}

int profiles_load(const char *path, const char *rows, struct profiles **ret, char *err,
                  size_t err_size)
{
	char *text = NULL, why[READFILE_ERROR_MAX];
	size_t len = 0;
	int r;

	if (!path || *path == '\0')
		return profiles_parse("", 0, "", rows, ret, err, err_size);
	r = readfile_secret(path, PROFILES_FILE_MAX, &text, &len, why);
	if (r < 0) {
		snprintf(err, err_size, "%s", why);
		return r;
	}
	return load(text, len, path, strdup(rows ? rows : ""), ret, err, err_size);
}

void profiles_free(struct profiles *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->count; i++)
		free(p->list[i].pairs);
	for (size_t i = 0; i < p->left_out_count; i++)
		free(p->left_out[i]);
	free(p->left_out);
	free(p->list);
	free(p->buffers[0]);
	free(p->buffers[1]);
	free(p);
}

const char *profiles_left_out(const struct profiles *p, size_t i)
{
	return i < p->left_out_count ? p->left_out[i] : NULL;
}

size_t profiles_count(const struct profiles *p)
{
	return p->count;
}

const struct profile *profiles_at(const struct profiles *p, size_t i)
{
	return &p->list[i];
}

static int is_id(const void *id, const void *profile)
{
	return strcmp(id, ((const struct profile *)profile)->id);
}

const struct profile *profiles_find(const struct profiles *p, const char *id)
{
	return p->count ? bsearch(id, p->list, p->count, sizeof(p->list[0]), is_id) : NULL;
}
