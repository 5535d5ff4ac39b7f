/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/sandbox.c - give up identity, capabilities, limits and system calls. Each step is checked
 * by trying it or reading it back: a step that did not take is an error, never a warning.
 */
#include "base/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "base/macros.h"
#include "filters.h"

#ifndef PR_SET_MDWE /* Linux 6.3 */
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

int sandbox_user(const char *name, uid_t *ret_uid, gid_t *ret_gid)
{
	const struct passwd *pw;
	int fallback = 0;

	*ret_uid = geteuid();
	*ret_gid = getegid();
	if (*ret_uid != 0)
		return 0;
	pw = getpwnam(name);
	if (!pw) {
		pw = getpwnam("nobody");
		fallback = 1;
	}
	if (!pw || pw->pw_uid == 0)
		return -EPERM;
	*ret_uid = pw->pw_uid;
	*ret_gid = pw->pw_gid;
	return fallback;
}

int sandbox_drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};

	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0,
	            0); /* empty sets clear it too */
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

int sandbox_drop(uid_t uid, gid_t gid)
{
	uid_t ruid, euid, suid;
	int r;

	if (geteuid() == 0) {
		if (uid == 0 || gid == 0)
			return -EPERM;
		if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
		    setresuid(uid, uid, uid) < 0)
			return -errno;
		if (getresuid(&ruid, &euid, &suid) < 0 || ruid != uid || euid != uid ||
		    suid != uid || getegid() != gid || setuid(0) == 0)
			return -EPERM;
	}
	r = sandbox_drop_capabilities();
	if (r < 0)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	/* Memory is never both writable and executable; kernels before 6.3 do not know it. */
	(void)prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0);
	return 0;
}

static int set_limits(rlim_t processes, rlim_t files)
{
	const struct {
		int resource;
		rlim_t limit;
	} limits[] = {
		{RLIMIT_CORE, 0}, /* memory holds other people's screens */
		{RLIMIT_NPROC, processes},
		{RLIMIT_NOFILE, files},
		{RLIMIT_MEMLOCK, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		struct rlimit l = {limits[i].limit, limits[i].limit};

		if (setrlimit(limits[i].resource, &l) < 0)
			return -errno;
	}
	return 0;
}

int sandbox_limits(void)
{
	return set_limits(0, 16);
}

int sandbox_limits_device(void)
{
	struct rlimit threads;

	/* of all of the user's processes together, so that no number of ours would be right */
	if (getrlimit(RLIMIT_NPROC, &threads) < 0)
		return -errno;
	return set_limits(threads.rlim_max, 256);
}

int sandbox_lock(enum sandbox_filter filter)
{
	static const struct sock_fprog programs[] = {
		[SANDBOX_FRONT] = {ARRAY_SIZE(filter_front),
	                           (struct sock_filter *)(uintptr_t)filter_front},
		[SANDBOX_FRONT_KTLS] = {ARRAY_SIZE(filter_front_ktls),
	                                (struct sock_filter *)(uintptr_t)filter_front_ktls},
		[SANDBOX_RELAY] = {ARRAY_SIZE(filter_relay),
	                           (struct sock_filter *)(uintptr_t)filter_relay},
		[SANDBOX_GUARD] = {ARRAY_SIZE(filter_guard),
	                           (struct sock_filter *)(uintptr_t)filter_guard},
		[SANDBOX_TUNNEL] = {ARRAY_SIZE(filter_tunnel),
	                            (struct sock_filter *)(uintptr_t)filter_tunnel},
		[SANDBOX_ENCODE] = {ARRAY_SIZE(filter_encode),
	                            (struct sock_filter *)(uintptr_t)filter_encode},
		[SANDBOX_ENCODE_DEVICE] = {ARRAY_SIZE(filter_encode_device),
	                                   (struct sock_filter *)(uintptr_t)filter_encode_device},
	};
	long r;

	/* Libraries may have threads already: drivers of graphics cards do. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    (r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC,
	                 &programs[filter])) < 0)
		return -errno;
	return r == 0 ? 0 : -EBUSY; /* a thread with a filter of its own */
}
