/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/state.c - files of State=, see broker/state.h. xproxy-x2gobroker, as the user whose folder
 * it is; xproxyctl, having become that user. System calls: mkdirat, openat, fstat, flock, read,
 * write, fsync, fdatasync, renameat, unlinkat, getdents.
 */
#include "broker/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/macros.h"

#define UNFINISHED ".new-"          /* before a name and a pid */
#define UNFINISHED_SEC (time_t)3600 /* after which whoever was writing it is gone */

static int failed(const char *state, const char *what, int error, char *err, size_t err_size)
{
	snprintf(err, err_size, "State=%s: cannot %s: %s", state, what, strerror(error));
	return -error;
}

int state_open(const char *state, const char *folder, char *err, size_t err_size)
{
	_cleanup_close_ int fd = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC), sub = -1;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return failed(state, "open this folder", errno, err, err_size);
	if (st.st_uid != geteuid() || st.st_mode & 077) {
		snprintf(err, err_size,
		         "State=%s must be a folder of uid %u (User=) with mode 0700; it is one of "
		         "uid %u with mode 0%o",
		         state, geteuid(), st.st_uid, st.st_mode & 07777);
		return -EPERM;
	}
	if (!folder)
		return take_fd(&fd);
	if (mkdirat(fd, folder, 0700) < 0 && errno != EEXIST)
		return failed(state, "make a folder in it", errno, err, err_size);
	sub = openat(fd, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return sub < 0 ? failed(state, "open a folder in it", errno, err, err_size) : take_fd(&sub);
}

void state_name(const char *text, char ret[STATE_NAME_MAX])
{
	uint8_t hash[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (EVP_Digest(text, strlen(text), hash, &len, EVP_sha256(), NULL) != 1 || len != 32)
		abort(); /* there is no other way to go on without two names becoming one */
	for (size_t i = 0; i < len; i++)
		snprintf(ret + 2 * i, 3, "%02x", hash[i]);
}

bool state_is_name(const char *name)
{
	return strspn(name, "0123456789abcdef") == STATE_NAME_MAX - 1 &&
	       name[STATE_NAME_MAX - 1] == '\0';
}

static int write_all(int fd, const void *data, size_t len)
{
	ssize_t n = write(fd, data, len); /* small, and to a disk: all or nothing */

	return n < 0 ? -errno : (size_t)n == len ? 0 : -ENOSPC;
}

int state_write(int dir, const char *name, const void *data, size_t len, bool durable)
{
	char scratch[sizeof(UNFINISHED) + STATE_NAME_MAX + 16];
	_cleanup_close_ int fd = -1;
	int r;

	snprintf(scratch, sizeof(scratch), UNFINISHED "%.*s-%d", STATE_NAME_MAX, name, getpid());
	(void)unlinkat(dir, scratch, 0); /* of a process that died, and whose pid is ours now */
	fd = openat(dir, scratch, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = write_all(fd, data, len);
	if (r == 0 && durable && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && renameat(dir, scratch, dir, name) < 0)
		r = -errno;
	if (r == 0 && durable && fsync(dir) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(dir, scratch, 0);
	return r;
}

int state_read(int dir, const char *name, void *ret, size_t len)
{
	_cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < 0 || (size_t)st.st_size != len)
		return -EBADMSG;
	n = pread(fd, ret, len, 0);
	return n < 0 ? -errno : (size_t)n == len ? 0 : -EBADMSG;
}

int state_lock(int dir, const char *name, int flags, bool wait)
{
	_cleanup_close_ int fd =
		openat(dir, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | flags, 0600);

	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB)) < 0)
		if (errno != EINTR)
			return -errno;
	return take_fd(&fd);
}

static void remove_unfinished(int dir, const char *name)
{
	struct stat st;

	if (strncmp(name, UNFINISHED, sizeof(UNFINISHED) - 1) == 0 &&
	    fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_mtime + UNFINISHED_SEC < time(NULL))
		(void)unlinkat(dir, name, 0);
}

int state_each(int dir, size_t max, int (*f)(void *arg, int dir, const char *name), void *arg)
{
	int r = 0, fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (!d) {
		r = -errno;
		if (fd >= 0)
			close(fd);
		return r;
	}
	for (size_t n = 0; r == 0 && n < max && (e = readdir(d)); n++) {
		if (e->d_name[0] != '.')
			r = f(arg, dir, e->d_name);
		else
			remove_unfinished(dir, e->d_name);
	}
	(void)closedir(d);
	return r;
}
