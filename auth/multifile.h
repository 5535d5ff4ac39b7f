/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/multifile.h - the text of a multifile:
 *
 *   USERNAME|PASSWORD|UID|GID|DISPLAYS|ENV|OPTIONS
 *
 * as xpra's multifile module reads it (3.1: bytes, split at \n, \r or \r\n). The first two fields
 * are needed; lines are trimmed, fields are not; blank lines and those that start with # are
 * skipped; nothing is escaped, so no field has a bar. Unlike xpra's, UID and GID count in lines of
 * 3 or 4 fields too, and lines of more than 7 fields are wrong.
 */
#pragma once

#include <stddef.h>

#define MULTIFILE_LINE_MAX 65536
#define MULTIFILE_FILE_MAX (16u << 20)

enum multifile_field {
	MULTIFILE_USERNAME,
	MULTIFILE_PASSWORD,
	MULTIFILE_UID,
	MULTIFILE_GID,
	MULTIFILE_DISPLAYS,
	MULTIFILE_ENV,
	MULTIFILE_OPTIONS,
	MULTIFILE_FIELDS,
};

struct multifile_entry {
	struct {
		const char *p; /* into the text, without a NUL; fits the field of struct auth_row */
		size_t len;
	} fields[MULTIFILE_FIELDS]; /* those that the line lacks are empty */
};

/* Looks the whole text through, whether or where the user is found. Returns 1 with the first entry
 * of that user, 0 if there is none. Every line that cannot be used, and further entries of that
 * same user, are reported: why is a fixed text. */
int multifile_find(const char *text, size_t len, const char *username, struct multifile_entry *ret,
                   void (*report)(void *context, size_t line, const char *why), void *context);
