/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ctl/cgroup.h - which unit a process is in and what that unit uses, from the kernel: it costs a
 * tenth of what it costs to ask systemd. In xproxyctl; all of it is readable for everybody.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct cgroup {
	char unit[256];                  /* "xproxy@1-....service" */
	bool user;                       /* of a user's service manager */
	uint64_t memory_bytes, cpu_nsec; /* UINT64_MAX: not counted */
};

/* False: the process is gone, or in no service. */
bool cgroup_of(pid_t pid, struct cgroup *ret);

/* The text of /proc/PID/cgroup (which is overwritten), with the hierarchies mounted below `mounts`,
 * usually "/sys/fs/cgroup". For cgroup_of() and tests. */
bool cgroup_parse(char *text, const char *mounts, struct cgroup *ret);
