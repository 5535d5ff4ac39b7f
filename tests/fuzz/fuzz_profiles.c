/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/fuzz/fuzz_profiles.c - libFuzzer: any bytes as a file of session profiles and, behind a
 * NUL, the rows of a user's record: an error that says where, or profiles that can be asked and
 * written for clients. Links broker/.
 */
#include "broker/acl.h"
#include "broker/json.h"
#include "broker/profile.h"
#include "broker/qsettings.h"
#include "tests/fuzz/ensure.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_id(const char *id)
{
	ENSURE(*id && *id != '.' && *id != '-' && strlen(id) < PROFILE_ID_MAX);
	for (; *id; id++)
		ENSURE(isalnum((unsigned char)*id) || strchr("._-", *id));
}

/* One section: nothing in it can be taken for another one, or for something else in the answer. */
static void check_list(const struct profile *p, const struct profile_extra *extra)
{
	char *text = NULL, *state = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	ENSURE(f);
	qsettings_write(f, p, extra);
	ENSURE(fclose(f) == 0 && strlen(text) == len);
	for (size_t i = 0; i < len; i++)
		ENSURE(text[i] == '\n' || (text[i] >= ' ' && text[i] < 0x7f && text[i] != '<'));
	for (char *line = strtok_r(text, "\n", &state); line; line = strtok_r(NULL, "\n", &state))
		ENSURE((line[0] == '[') == (line == text) && (line == text || strchr(line, '=')));
	free(text);
}

static void check_profile(const struct profiles *all, size_t i)
{
	static char user[] = "bob", *groups[] = {user};
	const struct visitor v = {
		.user = user,
		.address = {.family = AF_INET, .bytes = {192, 0, 2, 7}},
		.groups = groups,
		.groups_count = 1,
	};
	const struct profile_extra extra = {.suspended = 1, .autologin = true, .user = "b\xc3\xb6"};
	static struct profile_host hosts[PROFILE_HOSTS_MAX + 1];
	const struct profile *p = profiles_at(all, i);
	size_t n = profile_hosts(p, hosts, PROFILE_HOSTS_MAX + 1);
	json_t *j = profile_json(p, &extra);

	check_id(profile_id(p));
	ENSURE(profiles_find(all, profile_id(p)) == p);
	ENSURE(i == 0 || strcmp(profile_id(profiles_at(all, i - 1)), profile_id(p)) < 0);
	ENSURE(n <= PROFILE_HOSTS_MAX);
	while (n > 0) {
		n--;
		ENSURE(hosts[n].name[0] && hosts[n].address[0]);
		ENSURE(hosts[n].port >= 1 && hosts[n].port <= 65535);
	}
	acl_allows(p, &v);
	check_list(p, NULL);
	check_list(p, &extra);
	ENSURE(j);
	json_decref(j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *zero = size > 0 ? memchr(data, '\0', size) : NULL;
	size_t len = zero ? (size_t)(zero - data) : size;
	char err[300] = "", *rows = zero ? strndup((const char *)zero + 1, size - len - 1) : NULL;
	struct profiles *p = NULL;
	int r = profiles_parse((const char *)data, len, "f", rows, &p, err, sizeof(err));

	free(rows);
	ENSURE((r < 0) == !p && (r < 0) == (err[0] != '\0'));
	ENSURE(r == 0 || strncmp(err, "f:", 2) == 0 || strstr(err, "record"));
	for (size_t i = 0; p && i < profiles_count(p); i++)
		check_profile(p, i);
	profiles_free(p);
	return 0;
}
