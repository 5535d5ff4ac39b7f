/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Any bytes as a hosts.allow: an answer, or an error that says which line. Asked again it says the
 * same, and who only checks it (nobody, nothing needed) finds an error where the one who asks does.
 * Links auth/hosts_rule.c, base/netaddr.c.
 */
#include "auth/hosts_rule.h"
#include "tests/fuzz/ensure.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int name_of(struct hosts_client *c, const char **ret, char *err)
{
	(void)err;
	(void)c;
	*ret = "pc1.example.org";
	return HOSTS_KNOWN;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hosts_client nobody = {.address = ""};
	struct hosts_client c = {
		.net = {.family = AF_INET, .bytes = {192, 0, 2, 7}},
		.address = "192.0.2.7",
	};
	const char *text = (const char *)data;
	char err[AUTH_ERROR_MAX] = "", again[AUTH_ERROR_MAX] = "";
	int r, checked;

	if (size > 0 && data[0] & 1)
		c.name = nobody.name = name_of;
	r = hosts_rules(text, size, "f", HOSTS_ALLOW, &c, true, err);
	checked = hosts_rules(text, size, "f", HOSTS_ALLOW, &nobody, false, again);
	ENSURE(r <= HOSTS_DENY);
	ENSURE((r < 0) == (checked < 0) && strcmp(err, again) == 0);
	ENSURE((r < 0) == (strncmp(err, "f:", 2) == 0));
	ENSURE(r == hosts_rules(text, size, "f", HOSTS_ALLOW, &c, true, err));
	return 0;
}
