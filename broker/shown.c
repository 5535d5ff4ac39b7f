/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/shown.c - a profile as it is told. In xproxy-x2gobroker, without privilege; pure, no
 * system calls.
 */
#include "broker/shown.h"

#include "base/macros.h"

/* Any text that is not empty makes x2goclient ask for the session at once, and this one x2gobroker
 * sends. */
#define KEY_FOLLOWS "<will-be-exchanged-during-session-selection>"

/* Whether the extra has this one, which is then not the profile's. */
static bool is_of_extra(const struct profile_extra *e, const char *key)
{
	return strcmp(key, "status") == 0 || strcmp(key, "suspended") == 0 ||
	       strcmp(key, "running") == 0 ||
	       (e->autologin && (strcmp(key, "autologin") == 0 || strcmp(key, "key") == 0));
}

static void put_count(const char *key, int count, shown_put *put, void *data)
{
	char text[16];

	if (count < 0)
		return;
	snprintf(text, sizeof(text), "%d", count);
	put(data, key, text);
}

static void put_hosts(const struct profile *p, const struct profile_extra *e, shown_put *put,
                      void *data)
{
	_cleanup_free_ char *names = e->host ? NULL : profile_host_names(p);

	put(data, "host", e->host ? e->host : names ? names : "");
}

void shown_each(const struct profile *p, const struct profile_extra *extra, shown_put *put,
                void *data)
{
	static const struct profile_extra nothing = {.suspended = -1, .running = -1};
	const struct profile_extra *e = extra ? extra : &nothing;
	const char *key, *value;

	for (size_t i = 0; profile_each(p, &i, &key, &value);) {
		if (is_of_extra(e, key))
			continue;
		if (strcmp(key, "host") == 0)
			put_hosts(p, e, put, data);
		else if (strcmp(key, "user") == 0 && strcmp(value, "BROKER_USER") == 0)
			put(data, key, e->user ? e->user : "");
		else
			put(data, key, value);
	}
	if (e->status)
		put(data, "status", e->status);
	put_count("suspended", e->suspended, put, data);
	put_count("running", e->running, put, data);
	if (e->autologin) {
		put(data, "autologin", "1");
		put(data, "key", KEY_FOLLOWS);
	}
}
