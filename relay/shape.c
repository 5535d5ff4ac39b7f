/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/shape.c - flat and nested capabilities. Worker, locked. No system calls.
 *
 * The names are those of xpra 3.1.3 (flat) and 6.x (nested).
 */
#include "relay/shape.h"

#include <errno.h>
#include <stdio.h>

#include "base/macros.h"

/* The names that are not simply `group.entry`. A flat name that is the group's own ("clipboard") is
 * the switch of the group. */
static const struct name {
	const char *group, *entry, *flat;
	int64_t unit; /* the nested number is this many times the flat one; 0: the same */
} names[] = {
	{"clipboard", "enabled", "clipboard", 0},
	{"encodings", "", "encodings", 0},
	{"encoding", "setting", "encoding", 0},
	{"encoding", "window-icon", "encodings.window-icon", 0},
	{"cursor", "encodings", "encodings.cursor", 0},
	{"keymap", "sync", "keyboard_sync", 0},
	{"notifications", "enabled", "notifications", 0},
	{"notifications", "close", "notifications.close", 0},
	{"notifications", "actions", "notifications.actions", 0},
	{"file", "enabled", "file-transfer", 0},
	{"file", "ask", "file-transfer-ask", 0},
	{"file", "ask-timeout", "file-ask-timeout", 0},
	{"file", "size-limit", "file-size-limit", 1 << 20}, /* MiB when flat, bytes when nested */
	{"file", "max-file-size", "max-file-size", 0},
	{"file", "chunks", "file-chunks", 0},
	{"file", "open", "open-files", 0},
	{"file", "open-ask", "open-files-ask", 0},
	{"file", "open-url", "open-url", 0},
	{"file", "open-url-ask", "open-url-ask", 0},
	{"file", "printing", "printing", 0},
	{"file", "printing-ask", "printing-ask", 0},
};

/* Groups whose entries are `flat_prefix` + entry. */
static const struct group {
	const char *nested, *flat_prefix;
} groups[] = {
	{"clipboard", "clipboard."},
	{"encodings", "encodings."},
	{"encoding", "encoding."},
	{"audio", "sound."},
	{"keymap", "xkbmap_"},
	{"notifications", NULL}, /* only what `names` lists */
	{"file", NULL},
};

/* Dictionaries in flat hellos too: left alone. */
static const char *const always_dicts[] = {"start-new-session", "session", "proxy",
                                           "connection-data", "monitors"};

static bool has_prefix(const struct token *t, const char *prefix)
{
	size_t n = strlen(prefix);

	return token_is_string(t) && t->len > n && memcmp(t->data, prefix, n) == 0;
}

static const struct name *name_nested(const struct token *group, const struct token *entry)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (token_equals(group, names[i].group) && token_equals(entry, names[i].entry))
			return &names[i];
	return NULL;
}

/* The flat name of group's entry. */
static int flat_name(const struct token *group, const struct token *entry, char *buf, size_t size)
{
	const struct name *n = name_nested(group, entry);
	const char *prefix = NULL;
	int len;

	if (n) {
		len = snprintf(buf, size, "%s", n->flat);
		return len;
	}
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (token_equals(group, groups[i].nested))
			prefix = groups[i].flat_prefix;
	if (entry->len == 0) /* encoding {"": "auto"} */
		len = snprintf(buf, size, "%.*s", (int)group->len, (const char *)group->data);
	else if (prefix)
		len = snprintf(buf, size, "%s%.*s", prefix, (int)entry->len,
		               (const char *)entry->data);
	else if (token_equals(group, "display"))
		len = snprintf(buf, size, "%.*s", (int)entry->len, (const char *)entry->data);
	else
		len = snprintf(buf, size, "%.*s.%.*s", (int)group->len, (const char *)group->data,
		               (int)entry->len, (const char *)entry->data);
	return len < 0 || (size_t)len >= size ? -EMSGSIZE : len;
}

int shape_flatten(struct token_reader *r, const struct token *key, const struct token *value,
                  bool (*dropped)(const struct token *name, const struct hello_edit *e),
                  const struct hello_edit *e, struct token_writer *w)
{
	struct token entry, inner, name = {.type = TOKEN_TEXT};
	bool clipboard = token_equals(key, "clipboard"), has_switch = false;
	char flat[256];
	int n;

	for (size_t i = 0; i < ARRAY_SIZE(always_dicts); i++)
		if (token_equals(key, always_dicts[i])) {
			token_write(w, key);
			return token_copy(r, value, w);
		}
	while ((n = token_read_pair(r, &entry, &inner)) > 0) {
		const struct name *known = name_nested(key, &entry);

		/* An entry whose name cannot be a part of a flat key stays behind, and so does one
		 * that would become a key that must not pass: display {mmap_file}. */
		name.len = 0;
		if (token_is_string(&entry) && entry.len <= 128 && key->len <= 64 &&
		    flat_name(key, &entry, flat, sizeof(flat)) >= 0) {
			name.data = (const uint8_t *)flat;
			name.len = strlen(flat);
		}
		/* display {dpi {...}} would come after the flat dpi and hide it. */
		if (name.len == 0 || dropped(&name, e) ||
		    (inner.type == TOKEN_DICT && token_equals(key, "display"))) {
			n = token_skip(r, &inner);
		} else {
			has_switch |= clipboard && token_equals(&name, "clipboard");
			token_write(w, &name);
			if (known && known->unit && inner.type == TOKEN_INT)
				n = token_write_int(w, inner.integer / known->unit);
			else
				n = token_copy(r, &inner, w);
		}
		if (n < 0)
			break;
	}
	if (n < 0)
		return n;
	if (clipboard && !has_switch) { /* of a 5.x server: that it is there says yes */
		token_write(w, key);
		return token_write_bool(w, true);
	}
	return 0;
}

/* Which entry of group g this flat key is, or NULL. Points into key or a table. */
static const char *entry_of(const struct group *g, const struct token *key, size_t *ret_len,
                            int64_t *ret_unit)
{
	*ret_unit = 0;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(names[i].group, g->nested) != 0 || !token_equals(key, names[i].flat))
			continue;
		*ret_len = strlen(names[i].entry);
		*ret_unit = names[i].unit;
		return names[i].entry;
	}
	if (!g->flat_prefix || !has_prefix(key, g->flat_prefix))
		return NULL;
	*ret_len = key->len - strlen(g->flat_prefix);
	return (const char *)key->data + strlen(g->flat_prefix);
}

bool shape_is_nested(const struct token *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (token_equals(key, groups[i].nested))
			return true;
	return false;
}

/* 1: written; 0: there is nothing of it. */
static int nest_group(const struct token_reader *caps, const struct group *g,
                      struct token_writer *w)
{
	struct token_reader r = *caps;
	struct token key, value;
	bool any = false;
	int n;

	while ((n = token_read_pair(&r, &key, &value)) > 0) {
		const char *entry;
		int64_t unit;
		size_t len;

		entry = entry_of(g, &key, &len, &unit);
		if (!entry || (value.type == TOKEN_DICT && token_equals(&key, g->nested))) {
			n = token_skip(&r, &value);
		} else {
			if (!any) {
				token_write_text(w, g->nested);
				token_write_dict(w, TOKEN_COUNT_UNKNOWN);
				any = true;
			}
			/* A lookup of the group as a scalar finds its "" entry: 5.x does that. */
			if (len > 0 && token_equals(&key, g->nested) && value.type != TOKEN_LIST) {
				token_write_text(w, "");
				token_write(w, &value);
			}
			token_write_text_n(w, entry, len);
			if (unit && value.type == TOKEN_INT && value.integer >= 0 &&
			    value.integer < INT32_MAX)
				n = token_write_int(w, value.integer * unit);
			else
				n = token_copy(&r, &value, w);
		}
		if (n < 0)
			break;
	}
	if (n == 0 && any)
		n = token_write_end(w);
	return n < 0 ? n : any;
}

int shape_nest_one(const struct token_reader *caps, const char *group, struct token_writer *w)
{
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (strcmp(groups[i].nested, group) == 0)
			return nest_group(caps, &groups[i], w);
	return 0;
}

int shape_nest(const struct token_reader *caps, struct token_writer *w)
{
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		int r = nest_group(caps, &groups[i], w);

		if (r < 0)
			return r;
	}
	return 0;
}
