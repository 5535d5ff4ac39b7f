/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ctl/cgroup.c - reads /proc/PID/cgroup and the counters of version 2, or of version 1 as systemd
 * mounts it, cgroups(7). In xproxyctl, as its caller.
 */
#include "ctl/cgroup.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

#include "base/macros.h"

/* The number that follows `key` in a file of lines; key "": the first. UINT64_MAX: there is none.
 */
static uint64_t read_number(const char *mounts, const char *hierarchy, const char *path,
                            const char *file, const char *key)
{
	char name[PATH_MAX], line[128];
	uint64_t n = UINT64_MAX;
	size_t len = strlen(key);
	FILE *f;

	snprintf(name, sizeof(name), "%s%s%s/%s", mounts, hierarchy, path, file);
	f = fopen(name, "re");
	while (f && n == UINT64_MAX && fgets(line, sizeof(line), f))
		if (strncmp(line, key, len) == 0 && sscanf(line + len, "%" SCNu64, &n) != 1)
			n = UINT64_MAX;
	if (f)
		fclose(f);
	return n;
}

static uint64_t times(uint64_t n, uint64_t factor)
{
	return n == UINT64_MAX ? n : n * factor;
}

/* The path of one hierarchy's line, "4:memory:/path" or "0::/path"; NULL: this is another's. */
static const char *path_in(const char *line, const char *hierarchy)
{
	const char *controllers = strchr(line, ':'),
		   *path = controllers ? strchr(controllers + 1, ':') : NULL;
	size_t len = strlen(hierarchy);

	if (!path || (size_t)(path - controllers - 1) != len ||
	    strncmp(controllers + 1, hierarchy, len) != 0)
		return NULL;
	return path + 1;
}

/* A hierarchy counts for us only if the process is at the same place in it: systemd may not use it.
 */
static bool same_place(char *const *lines, size_t n, const char *hierarchy, const char *path)
{
	for (size_t i = 0; i < n; i++) {
		const char *p = path_in(lines[i], hierarchy);

		if (p)
			return strcmp(p, path) == 0;
	}
	return false;
}

static void read_counters(char *const *lines, size_t n, const char *mounts, const char *path,
                          struct cgroup *ret)
{
	static const char *const cpu[] = {"cpu,cpuacct", "cpuacct,cpu", "cpuacct"};

	ret->memory_bytes = read_number(mounts, "", path, "memory.current", "");
	ret->cpu_nsec = times(read_number(mounts, "", path, "cpu.stat", "usage_usec "), 1000);
	if (same_place(lines, n, "memory", path))
		ret->memory_bytes =
			read_number(mounts, "/memory", path, "memory.usage_in_bytes", "");
	for (size_t i = 0; i < ARRAY_SIZE(cpu); i++)
		if (same_place(lines, n, cpu[i], path))
			ret->cpu_nsec = read_number(mounts, "/cpuacct", path, "cpuacct.usage", "");
}

bool cgroup_parse(char *text, const char *mounts, struct cgroup *ret)
{
	const char *path = NULL, *unit;
	char *lines[32], *line;
	size_t n = 0, len;

	while (n < ARRAY_SIZE(lines) && (line = strsep(&text, "\n")) != NULL) {
		const char *p = path_in(line, "name=systemd");

		lines[n++] = line;
		if (!p && !path)
			p = path_in(line, "");
		path = p ? p : path;
	}
	unit = path ? strrchr(path, '/') : NULL;
	len = unit ? strlen(++unit) : 0;
	if (len <= 8 || len >= sizeof(ret->unit) || strcmp(unit + len - 8, ".service") != 0)
		return false;
	snprintf(ret->unit, sizeof(ret->unit), "%s", unit);
	ret->user = strstr(path, "/user@") != NULL;
	read_counters(lines, n, mounts, path, ret);
	return true;
}

bool cgroup_of(pid_t pid, struct cgroup *ret)
{
	char path[64], text[4096];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	return cgroup_parse(text, "/sys/fs/cgroup", ret);
}
