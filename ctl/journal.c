/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ctl/journal.c - counts the records of logins and refusals. In xproxyctl, as its caller.
 */
#include "ctl/journal.h"

#include <errno.h>
#include <stdio.h>
#include <systemd/sd-id128.h>
#include <systemd/sd-journal.h>

#include "base/log.h"
#include "base/macros.h"

const char *login_result_name(enum login_result result)
{
	static const char *const names[LOGIN_RESULTS] = {
		[LOGIN_ACCEPTED] = "accepted", [LOGIN_AUTH] = "auth",
		[LOGIN_SESSION] = "session",   [LOGIN_UPSTREAM] = "upstream",
		[LOGIN_TIMEOUT] = "timeout",   [LOGIN_PROTOCOL] = "protocol",
		[LOGIN_OTHER] = "other",
	};

	return names[result];
}

enum login_result login_result_of(const char *end)
{
	static const struct {
		const char *end;
		enum login_result result;
	} ends[] = {
		{"auth", LOGIN_AUTH},
		{"client-close", LOGIN_AUTH}, /* it did not wait for the denial */
		{"session", LOGIN_SESSION},
		{"loop", LOGIN_SESSION},
		{"upstream", LOGIN_UPSTREAM},
		{"upstream-auth", LOGIN_UPSTREAM},
		{"upstream-refused", LOGIN_UPSTREAM},
		{"timeout", LOGIN_TIMEOUT},
		{"protocol", LOGIN_PROTOCOL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		if (strcmp(ends[i].end, end) == 0)
			return ends[i].result;
	return LOGIN_OTHER;
}

static int match(sd_journal *j, const char *field, const char *value)
{
	char text[128];

	snprintf(text, sizeof(text), "%s=%s", field, value);
	return sd_journal_add_match(j, text, 0);
}

/* The same field twice is "or", another field "and". */
static int set_matches(sd_journal *j)
{
	char boot_text[SD_ID128_STRING_MAX], uid[16];
	sd_id128_t boot;
	int r = sd_id128_get_boot(&boot);

	if (r >= 0)
		r = match(j, "_BOOT_ID", sd_id128_to_string(boot, boot_text));
	if (r >= 0)
		r = match(j, "MESSAGE_ID", log_message_id(LOG_EVENT_LOGIN));
	if (r >= 0)
		r = match(j, "MESSAGE_ID", log_message_id(LOG_EVENT_REFUSED));
	if (r >= 0)
		r = match(j, "_UID", "0");
	snprintf(uid, sizeof(uid), "%u", geteuid());
	return r >= 0 ? match(j, "_UID", uid) : r;
}

/* The value of a field of the current record, cut to fit; "": it has none. */
static void get(sd_journal *j, const char *field, char *buf, size_t size)
{
	const void *data;
	size_t len, skip = strlen(field) + 1;

	buf[0] = '\0';
	if (sd_journal_get_data(j, field, &data, &len) >= 0 && len >= skip)
		snprintf(buf, size, "%.*s", (int)(len - skip), (const char *)data + skip);
}

int journal_logins(struct logins *ret)
{
	sd_journal *j = NULL;
	char id[64], end[64];
	int r = sd_journal_open(&j, SD_JOURNAL_LOCAL_ONLY);

	*ret = (struct logins){0};
	if (r >= 0 && sd_journal_has_persistent_files(j) <= 0 &&
	    sd_journal_has_runtime_files(j) <= 0)
		r = -ENOENT;
	if (r >= 0)
		r = set_matches(j);
	while (r >= 0 && (r = sd_journal_next(j)) > 0) {
		get(j, "MESSAGE_ID", id, sizeof(id));
		get(j, "XPROXY_END", end, sizeof(end));
		ret->count[strcmp(id, log_message_id(LOG_EVENT_LOGIN)) == 0
		                   ? LOGIN_ACCEPTED
		                   : login_result_of(end)]++;
	}
	sd_journal_close(j);
	return r;
}
