/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/json.c - profiles for python-x2go. In xproxy-x2gobroker, without privilege; pure, no
 * system calls. JSON from libjansson.
 */
#include "broker/json.h"

#include "base/macros.h"
#include "broker/shown.h"

struct object {
	json_t *json;
	bool failed;
};

static json_t *list(const char *value)
{
	json_t *array = json_array();
	size_t len;

	for (const char *p; array && (p = profile_element(&value, &len));)
		if (json_array_append_new(array, json_stringn(p, len)) < 0) {
			json_decref(array);
			return NULL;
		}
	return array;
}

/* "/dir:1;/other:0;" as folders and whether they are mounted at once: as text, python-x2go takes
 * only an empty one. */
static json_t *exports(const char *value)
{
	json_t *folders;
	size_t len;

	if (*value == '\0')
		return json_string("");
	folders = json_object();
	for (; folders && *value; value += len + (value[len] != '\0')) {
		size_t n;

		len = n = strcspn(value, ";,");
		if (n > 1 && (value[n - 1] == '0' || value[n - 1] == '1') &&
		    strchr(":#", value[n - 2]))
			n -= 2;
		if (n > 0 &&
		    json_object_setn_new(folders, value, n,
		                         json_boolean(value[len - 1] != '0' || n == len)) < 0) {
			json_decref(folders);
			return NULL;
		}
	}
	return folders;
}

static json_t *typed(const char *key, const char *value)
{
	switch (profile_type(key)) {
	case PROFILE_FLAG:
		return json_boolean(*value == '1');
	case PROFILE_NUMBER:
		return json_integer(strtol(value, NULL, 10));
	case PROFILE_LIST:
		return list(value);
	case PROFILE_TEXT:
		break;
	}
	return strcmp(key, "export") == 0 ? exports(value) : json_string(value);
}

static void put(void *data, const char *key, const char *value)
{
	struct object *o = data;

	if (profile_key_in_python(key) && json_object_set_new(o->json, key, typed(key, value)) < 0)
		o->failed = true;
}

json_t *profile_json(const struct profile *p, const struct profile_extra *extra)
{
	struct object o = {.json = json_object()};

	if (!o.json)
		return NULL;
	shown_each(p, extra, put, &o);
	if (o.failed) {
		json_decref(o.json);
		return NULL;
	}
	return o.json;
}
