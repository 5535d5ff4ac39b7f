/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/module.c - find and load a shared object of ours, or find our web pages. With the caller's
 * privilege, which the object gets too. System calls: readlink, access, open, read, mmap (dlopen).
 */
#include "base/module.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/macros.h"

void module_folders_get(struct module_folders *f)
{
	ssize_t n = readlink("/proc/self/exe", f->exe, sizeof(f->exe) - 1);
	char *slash;

	f->count = 0;
	if (n > 0) {
		f->exe[n] = '\0';
		slash = strrchr(f->exe, '/');
		if (slash) {
			*slash = '\0';
			f->items[f->count++] = f->exe;
			/* libexec/xproxy-conn, lib/xproxy/tls.so: whatever the prefix was. */
			snprintf(f->lib, sizeof(f->lib), "%s/../lib/xproxy", f->exe);
			f->items[f->count++] = f->lib;
		}
	}
	f->items[f->count++] = XPROXY_MODULE_DIR;
}

int module_load(const char *file, const char *symbol, const void **ret, char *ret_path,
                const char **ret_why)
{
	struct module_folders f;

	module_folders_get(&f);
	for (size_t i = 0; i < f.count; i++) {
		char path[PATH_MAX];
		int n = snprintf(path, sizeof(path), "%s/%s", f.items[i], file);
		void *object;

		/* an absolute path, or dlopen() would search the library folders */
		if (n < 0 || (size_t)n >= sizeof(path) || path[0] != '/' || access(path, F_OK) < 0)
			continue;
		if (ret_path)
			snprintf(ret_path, PATH_MAX, "%s", path);
		object = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
		*ret = object ? dlsym(object, symbol) : NULL;
		if (!*ret) {
			*ret_why = dlerror();
			if (!*ret_why)
				*ret_why = "it lacks a symbol";
			return -ELIBBAD;
		}
		return 0;
	}
	return -ENOENT;
}

int module_open_pages(void)
{
	struct module_folders f;

	module_folders_get(&f);
	for (int i = f.count > 1 ? 0 : 2; i < 3; i++) { /* 1: it is not known where we are */
		char path[PATH_MAX + 32];
		int fd;

		snprintf(path, sizeof(path), "%s%s", i < 2 ? f.exe : XPROXY_WWW_DIR,
		         i == 0   ? "/www"
		         : i == 1 ? "/../share/xproxy/www"
		                  : "");
		fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0)
			return fd;
	}
	return -ENOENT;
}
