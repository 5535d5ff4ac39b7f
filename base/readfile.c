/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/readfile.c - a file of secrets, whole. Guard, and worker before its lock; with the caller's
 * privileges. System calls: open, fstat, read, close.
 */
#include "base/readfile.h"

#include "base/macros.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

/* One buffer of the size the file is said to have, plus one byte to notice that it grew: growing
 * the buffer instead would leave copies behind. */
static int read_all(int fd, size_t size, char **ret, size_t *ret_len)
{
	char *data = malloc(size + 2);
	size_t n = 0;
	int r = 0;

	if (!data)
		return -ENOMEM;
	while (n <= size) {
		ssize_t k = read(fd, data + n, size + 1 - n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			r = -errno;
		if (k <= 0)
			break;
		n += (size_t)k;
	}
	if (r == 0 && n > size)
		r = -EAGAIN;
	if (r < 0) {
		readfile_free(data, n);
		return r;
	}
	data[n] = '\0';
	*ret = data;
	*ret_len = n;
	return 0;
}

static int try_read(const char *file, size_t max, char **ret, size_t *ret_len)
{
	/* O_NONBLOCK: opening a FIFO must not wait for its writer */
	_cleanup_close_ int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size < 0 || (size_t)st.st_size > max)
		return -EFBIG;
	return read_all(fd, (size_t)st.st_size, ret, ret_len);
}

int readfile_secret(const char *file, size_t max, char **ret, size_t *ret_len, char *err)
{
	size_t n = strlen(file);
	const char *tail = n > 100 ? file + n - 100 : file; /* leaves room for what is wrong */
	int r = -EAGAIN;

	for (int i = 0; i < 3 && r == -EAGAIN; i++) /* someone may be writing to it */
		r = try_read(file, max, ret, ret_len);
	if (r == -EINVAL)
		snprintf(err, READFILE_ERROR_MAX, "%s is not a regular file", tail);
	else if (r == -EFBIG)
		snprintf(err, READFILE_ERROR_MAX, "%s is larger than %zu bytes", tail, max);
	else if (r == -EAGAIN)
		snprintf(err, READFILE_ERROR_MAX, "%s is being written to, try again", tail);
	else if (r < 0)
		snprintf(err, READFILE_ERROR_MAX, "cannot read %s: %s", tail, strerror(-r));
	return r;
}

static bool ends_line(char c)
{
	return c == '\r' || c == '\n';
}

int readfile_key(const char *file, char *ret, size_t size, size_t *ret_len, char *err)
{
	char *data = NULL, *start, *end;
	size_t len = 0;
	int r = readfile_secret(file, size, &data, &len, err);

	if (r < 0)
		return r;
	for (start = data, end = data + len; start < end && ends_line(*start); start++)
		;
	while (end > start && ends_line(end[-1]))
		end--;
	*ret_len = (size_t)(end - start);
	memcpy(ret, start, *ret_len);
	readfile_free(data, len);
	if (*ret_len > 0)
		return 0;
	snprintf(err, READFILE_ERROR_MAX, "%.150s is empty; it must hold the key", file);
	return -ENODATA;
}

void readfile_free(char *data, size_t len)
{
	if (data)
		explicit_bzero(data, len);
	free(data);
}
