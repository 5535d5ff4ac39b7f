/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/config-keys.h - what config.c's reader needs of the table of keys; nobody else includes it.
 */
#pragma once

#include "base/config.h"

#define CONFIG_BLANKS " \t\r\n"
#define SHOWN_MAX 64 /* bytes of a name or a value that an error repeats */

/* Where the reader is: for errors. */
struct config_place {
	const char *file;
	unsigned line; /* 0: not a line of a file */
	char *err;     /* CONFIG_ERROR_MAX bytes */
	bool first;    /* nothing has set this key yet: a list drops its default */
};

struct config_key {
	const char *section, *name;
	const char *fallback; /* the built-in value, as a file would have it */
	/* Checks value, which is trimmed and may be cut up, and stores it in field. */
	int (*parse)(const struct config_key *k, void *field, char *value, struct config_place *p);
	size_t offset; /* of the field in struct config */
	const char *expected;
	uint64_t min, max;
	bool zero;                /* 0 is allowed although it is below min */
	const char *const *words; /* for one of them, up to NULL */
};

extern const struct config_key config_keys[]; /* those of a section stand together */
extern const size_t config_keys_count;

/* Puts "FILE:LINE: text" into p->err, control characters as '?', and returns error. */
int config_fail(struct config_place *p, int error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

void config_list_clear(struct config_list *l);
