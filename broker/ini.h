/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/ini.h - INI files as Python's configparser reads them, which is what x2gobroker's files of
 * session profiles are written for. A pure function.
 *
 *   [section]        comments are whole lines that begin with # or ;
 *   key = value      or key: value; names are case-sensitive
 *       and more     deeper than its key: a line of the same value, even if it looks like anything
 *                    else; empty lines are as well, if another such line follows
 */
#pragma once

#include <stddef.h>

#define INI_ERROR_MAX 256

/* What was read: a section's header, or an assignment in it. */
struct ini_entry {
	char *section;
	char *key;   /* NULL: the header */
	char *value; /* without blanks around it; lines are separated by \n */
	unsigned line;
};

struct ini_error {
	unsigned line;
	char text[INI_ERROR_MAX];
};

/* Is given each entry, in the order of the file. 0; else a negative errno, having said why in
 * e->text. It may change the texts in place, and they live as long as the buffer that they are in.
 */
typedef int ini_take(void *data, const struct ini_entry *entry, struct ini_error *e);

/* Reads text[0..len), which is cut up; text[len] is written to. Whether something is there twice is
 * the taker's business. 0; what `take` said; -EBADMSG not UTF-8, a control character, something
 * before the first section, a line that is neither; in each case with *ret filled. */
int ini_read(char *text, size_t len, ini_take *take, void *data, struct ini_error *ret);
