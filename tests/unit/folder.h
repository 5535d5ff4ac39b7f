/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * folder.h - a folder of the test's own, which goes with it.
 */
#pragma once

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/test.h"

static char folder[] = "/tmp/xproxy-test-XXXXXX";

static inline int folder_remove_one(const char *path, const struct stat *st, int flag,
                                    struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static inline void folder_remove(void)
{
	(void)nftw(folder, folder_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A new one, with nothing in it. */
static inline void folder_begin(void)
{
	static bool made;

	if (made)
		folder_remove();
	else
		CHECK(atexit(folder_remove) == 0);
	made = true;
	memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
	CHECK(mkdtemp(folder));
}
