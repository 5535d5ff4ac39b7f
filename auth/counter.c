/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/counter.c - one small file for each counter, see auth/counter.h. Checker, with its
 * privilege. System calls: mkdir, open, fstat, flock, pread, pwrite, fdatasync,
 * fsync, ftruncate, getrandom.
 *
 * A file's name is a hash, as users and keys may have any name. It is written in place, always with
 * the same number of bytes: a full disk stops only who has not been there before.
 */
#include "auth/counter.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macros.h"

#define ROOT_FOLDER "/var/lib/xproxy/counters"
#define DIGITS 20 /* of UINT64_MAX */

static int failed(const char *folder, const char *what, int error, char *err)
{
	snprintf(err, AUTH_ERROR_MAX, "%s: cannot %s, so nobody is let in: %s",
	         auth_path_tail(folder), what, strerror(error));
	return -error;
}

static int open_folder(const struct auth_options *options, const char **ret_folder, char *err)
{
	const char *folder = auth_option(options, "state", geteuid() == 0 ? ROOT_FOLDER : "");
	_cleanup_close_ int fd = -1;
	struct stat st;

	*ret_folder = folder;
	if (*folder != '/') {
		snprintf(err, AUTH_ERROR_MAX,
		         "state= is missing: a folder of this user alone, with its whole path, for "
		         "what must not be used twice");
		return -EINVAL;
	}
	if (mkdir(folder, 0700) < 0 && errno != EEXIST)
		return failed(folder, "make this folder (option state)", errno, err);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return failed(folder, "open this folder (option state)", errno, err);
	if (st.st_uid != geteuid() || st.st_mode & 022) {
		snprintf(err, AUTH_ERROR_MAX,
		         "%s (option state) must be owned by uid %u and writable by nobody else",
		         auth_path_tail(folder), geteuid());
		return -EPERM;
	}
	return take_fd(&fd);
}

int counter_open(const struct auth_options *options, char *err)
{
	const char *folder;
	int fd = open_folder(options, &folder, err), r;

	if (fd < 0)
		return fd;
	r = faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) < 0
	            ? failed(folder, "write to this folder (option state)", errno, err)
	            : 0;
	close(fd);
	return r;
}

static void name_of(const char *kind, const char *who, char *ret, size_t size)
{
	struct sha256_ctx ctx;
	uint8_t hash[16];
	int n = snprintf(ret, size, "%s-", kind);

	sha256_init(&ctx);
	sha256_update(&ctx, strlen(who), (const uint8_t *)who);
	sha256_digest(&ctx, sizeof(hash), hash);
	for (size_t i = 0; i < sizeof(hash); i++)
		n += snprintf(ret + n, size - (size_t)n, "%02x", hash[i]);
}

/* 0 with *ret, which is 0 for an empty file: its maker has died before it let anybody in. */
static int read_counter(int fd, uint64_t *ret)
{
	char text[DIGITS + 2] = "";
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	*ret = 0;
	if (n <= 0)
		return n < 0 ? -errno : 0;
	if (n != DIGITS + 1 || strspn(text, "0123456789") != DIGITS || text[DIGITS] != '\n')
		return -EBADMSG;
	*ret = strtoull(text, NULL, 10);
	return 0;
}

static int write_counter(int fd, uint64_t value)
{
	char text[DIGITS + 2];
	ssize_t n;

	snprintf(text, sizeof(text), "%020" PRIu64 "\n", value);
	n = pwrite(fd, text, DIGITS + 1, 0);
	if (n >= 0 && n != DIGITS + 1)
		return -ENOSPC;
	return n < 0 || fdatasync(fd) < 0 ? -errno : 0;
}

/* For this process alone until it is closed. */
static int open_locked(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600), r;

	if (fd < 0)
		return -errno;
	while ((r = flock(fd, LOCK_EX)) < 0 && errno == EINTR)
		;
	if (r == 0)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

int counter_raise(const struct auth_options *options, const char *kind, const char *who,
                  uint64_t value, uint64_t *ret_old, char *err)
{
	char name[64];
	const char *folder;
	_cleanup_close_ int dir = open_folder(options, &folder, err);
	_cleanup_close_ int fd = -1;
	int r;

	if (dir < 0)
		return dir;
	name_of(kind, who, name, sizeof(name));
	fd = open_locked(dir, name);
	if (fd < 0)
		return failed(folder, "open a counter in this folder", -fd, err);
	r = read_counter(fd, ret_old);
	if (r < 0)
		return failed(folder, "read a counter in this folder", -r, err);
	if (value <= *ret_old)
		return 0;
	r = write_counter(fd, value);
	if (r == 0 && *ret_old == 0 && fsync(dir) < 0) /* the name, too */
		r = -errno;
	if (r < 0 && *ret_old == 0) /* a number cut short would keep the user out for ever */
		(void)!ftruncate(fd, 0);
	return r < 0 ? failed(folder, "write a counter in this folder", -r, err) : 1;
}

int counter_secret(const struct auth_options *options, uint8_t ret[COUNTER_SECRET_LEN], char *err)
{
	const char *folder;
	_cleanup_close_ int dir = open_folder(options, &folder, err);
	_cleanup_close_ int fd = -1;

	if (dir < 0)
		return dir;
	fd = open_locked(dir, "secret");
	if (fd < 0)
		return failed(folder, "open the secret in this folder", -fd, err);
	if (pread(fd, ret, COUNTER_SECRET_LEN, 0) == COUNTER_SECRET_LEN)
		return 0;
	errno = EIO;
	if (getrandom(ret, COUNTER_SECRET_LEN, 0) == COUNTER_SECRET_LEN &&
	    pwrite(fd, ret, COUNTER_SECRET_LEN, 0) == COUNTER_SECRET_LEN)
		return 0;
	return failed(folder, "write the secret in this folder", errno, err);
}
