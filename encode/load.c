/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/load.c - finds an encoder by its name. Encoder process before its lock, and xproxyctl;
 * with the caller's privilege, which the object gets too: it comes only from the program's own
 * folders, under a checked name. System calls: readlink, access, open, read, mmap (dlopen).
 */
#include <errno.h>
#include <stdio.h>

#include "base/macros.h"
#include "base/module.h"
#include "encode/encoder.h"

static char why[512]; /* dlerror()'s may be long: it has paths */

const struct encoder *encoder_find(const char *name, const char **ret_why)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789");
	char file[FRAME_NAME_MAX + 16];
	const char *reason = "?";
	const struct encoder *e;
	const void *symbol;
	int r;

	*ret_why = why;
	if (n == 0 || n >= FRAME_NAME_MAX || name[n]) {
		snprintf(why, sizeof(why), "the name of an encoder is made of a-z and 0-9");
		return NULL;
	}
	snprintf(file, sizeof(file), "encode-%s.so", name);
	r = module_load(file, "encoder", &symbol, NULL, &reason);
	if (r == -ENOENT) {
		snprintf(why, sizeof(why),
		         "there is no %s; Debian has it in the package xproxy-encoders", file);
		return NULL;
	}
	if (r < 0) {
		snprintf(why, sizeof(why), "%s", reason);
		return NULL;
	}
	e = symbol;
	if (e->abi != ENCODER_ABI || !e->name || strcmp(e->name, name) != 0) {
		snprintf(why, sizeof(why), "%s was built for another version of xproxy", file);
		return NULL;
	}
	return e;
}
