/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/runtime.c - where state files are. Guard and xproxyctl. System calls: mkdir.
 */
#include "base/runtime.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/macros.h"

int runtime_path(const char *name, char *buf, size_t size)
{
	const char *dir = getenv("RUNTIME_DIRECTORY"), *xdg = getenv("XDG_RUNTIME_DIR");
	int n;

	if (dir && dir[0] == '/')
		n = snprintf(buf, size, "%s", dir);
	else if (geteuid() == 0)
		n = snprintf(buf, size, "/run/xproxy");
	else if (xdg && xdg[0] == '/')
		n = snprintf(buf, size, "%s/xproxy", xdg);
	else
		return -ENOENT;
	if (n < 0 || (size_t)n + strlen(name) + 2 > size)
		return -EMSGSIZE;
	(void)mkdir(buf, 0755);
	snprintf(buf + n, size - (size_t)n, "/%s", name);
	return 0;
}
