/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/profiles-probe.c - what broker/ makes of a file of session profiles, for
 * tests/system/test_profiles.py to compare with what others make of it.
 *
 *   profiles-probe ini FILE    one JSON array per entry: section, key, value; at an error its line
 * alone profiles-probe list FILE   the profiles as x2goclient is told profiles-probe json FILE and
 * python-x2go
 */
#include "base/macros.h"
#include "base/readfile.h"
#include "broker/ini.h"
#include "broker/json.h"
#include "broker/qsettings.h"

static int print_entry(void *data, const struct ini_entry *entry, struct ini_error *e)
{
	json_t *j = entry->key ? json_pack("[sss]", entry->section, entry->key, entry->value)
	                       : json_pack("[s]", entry->section);

	(void)data;
	(void)e;
	json_dumpf(j, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(j);
	return 0;
}

static int print_ini(const char *path)
{
	char *text, err[READFILE_ERROR_MAX];
	struct ini_error e;
	size_t len;

	if (readfile_secret(path, PROFILES_FILE_MAX, &text, &len, err) < 0) {
		fprintf(stderr, "%s\n", err);
		return 2;
	}
	if (ini_read(text, len, print_entry, NULL, &e) < 0)
		printf("%u\n", e.line);
	readfile_free(text, len);
	return 0;
}

static int print_profiles(const char *path, bool list)
{
	char err[400];
	json_t *j = json_object();
	struct profiles *p;

	if (profiles_load(path, NULL, &p, err, sizeof(err)) < 0) {
		fprintf(stderr, "%s\n", err);
		return 1;
	}
	for (size_t i = 0; i < profiles_count(p); i++)
		if (list)
			qsettings_write(stdout, profiles_at(p, i), NULL);
		else
			json_object_set_new(j, profile_id(profiles_at(p, i)),
			                    profile_json(profiles_at(p, i), NULL));
	if (!list)
		json_dumpf(j, stdout, 0);
	json_decref(j);
	profiles_free(p);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "ini") == 0)
		return print_ini(argv[2]);
	if (argc == 3 && (strcmp(argv[1], "list") == 0 || strcmp(argv[1], "json") == 0))
		return print_profiles(argv[2], strcmp(argv[1], "list") == 0);
	fputs("usage: profiles-probe ini|list|json FILE\n", stderr);
	return 2;
}
