/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/module.h - where the program's own shared objects are: beside it (a build tree), in
 * ../lib/xproxy from there, or in XPROXY_MODULE_DIR. Nowhere else is anything loaded from. And its
 * own web pages: the same with www, ../share/xproxy/www and XPROXY_WWW_DIR.
 */
#pragma once

#include <limits.h>
#include <stddef.h>

/* Folders to look in, the first first. */
struct module_folders {
	char exe[PATH_MAX];
	char lib[PATH_MAX + 32];
	const char *items[3];
	size_t count;
};

void module_folders_get(struct module_folders *f);

/* Loads FILE ("tls.so", without a slash) and finds its symbol. It stays loaded: libraries it brings
 * along may keep pointers into it. *ret_path (PATH_MAX bytes, may be NULL) is what was loaded.
 * 0; -ENOENT there is none; -ELIBBAD it cannot be loaded, *ret_why says why. */
int module_load(const char *file, const char *symbol, const void **ret, char *ret_path,
                const char **ret_why);

/* The folder of the web pages, O_PATH, or -ENOENT. */
int module_open_pages(void);
