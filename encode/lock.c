/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/lock.c - give up files, identity and system calls. Encoder process. System calls:
 * landlock_*, open, prctl, capset, setrlimit, seccomp.
 */
#include "encode/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "base/macros.h"
#include "base/sandbox.h"

/* Rights by Landlock's ABI, which the headers may be older than: files with 1, refer with 2,
 * truncate with 3, the network (bind, connect) with 4, ioctl on devices with 5. */
#define RIGHTS_FILES ((UINT64_C(1) << 13) - 1)
#define RIGHT_REFER (UINT64_C(1) << 13)
#define RIGHT_TRUNCATE (UINT64_C(1) << 14)
#define RIGHT_IOCTL (UINT64_C(1) << 15)
#define RIGHTS_NETWORK UINT64_C(3)
#define RIGHTS_DEVICE (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | RIGHT_IOCTL)
#define RIGHTS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)

struct ruleset {
	uint64_t files, network;
};

/* Whatever is not there need not be allowed. */
static int allow(int ruleset, const char *path, uint64_t rights)
{
	_cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC);
	struct landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = fd};

	if (fd < 0)
		return 0;
	return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0
	               ? -errno
	               : 0;
}

/* NVIDIA's driver opens its nodes again for each context, and looks up what the cards are. */
static int allow_devices(int ruleset, uint64_t handled)
{
	static const char *const readable[] = {"/proc/driver/nvidia", "/sys/bus/pci",
	                                       "/sys/devices"};
	glob_t nodes = {.gl_pathc = 0};
	int r = 0;

	(void)glob("/dev/nvidia*", 0, NULL, &nodes);
	for (size_t i = 0; i < nodes.gl_pathc && r == 0; i++) {
		bool folder = strcmp(nodes.gl_pathv[i], "/dev/nvidia-caps") == 0;

		r = allow(ruleset, nodes.gl_pathv[i],
		          handled & (RIGHTS_DEVICE | (folder ? LANDLOCK_ACCESS_FS_READ_DIR : 0)));
	}
	globfree(&nodes);
	for (size_t i = 0; i < ARRAY_SIZE(readable) && r == 0; i++)
		r = allow(ruleset, readable[i], RIGHTS_READ);
	return r;
}

static int landlock(bool device)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct ruleset rights = {.files = RIGHTS_FILES};
	_cleanup_close_ int fd = -1;
	int r = 0;

	if (abi < 1)
		return 1;
	rights.files |= (abi >= 2 ? RIGHT_REFER : 0) | (abi >= 3 ? RIGHT_TRUNCATE : 0) |
	                (abi >= 5 ? RIGHT_IOCTL : 0);
	rights.network = abi >= 4 ? RIGHTS_NETWORK : 0;
	fd = (int)syscall(SYS_landlock_create_ruleset, &rights,
	                  abi >= 4 ? sizeof(rights) : sizeof(rights.files), 0);
	if (fd < 0)
		return -errno;
	if (device)
		r = allow_devices(fd, rights.files);
	if (r < 0)
		return r;
	return syscall(SYS_landlock_restrict_self, fd, 0) < 0 ? -errno : 0;
}

int lock_down(bool device)
{
	int lacking, r = sandbox_drop(getuid(), getgid());

	if (r < 0)
		return r;
	lacking = landlock(device);
	if (lacking < 0)
		return lacking;
	r = device ? sandbox_limits_device() : sandbox_limits();
	if (r == 0)
		r = sandbox_lock(device ? SANDBOX_ENCODE_DEVICE : SANDBOX_ENCODE);
	return r < 0 ? r : lacking;
}
