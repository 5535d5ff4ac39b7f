/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/slots.c - lock files that count. Encoder process, no privilege. System calls: openat,
 * getdents, fstat before the lock; flock after it.
 */
#include "encode/slots.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/macros.h"

void slots_open(struct slots *s, const char *folder)
{
	DIR *dir = opendir(folder);
	const struct dirent *e;

	s->count = 0;
	while (dir && s->count < SLOTS_MAX && (e = readdir(dir))) {
		struct stat st;
		/* to read is enough for flock(), and all that such a user may */
		int fd = openat(dirfd(dir), e->d_name,
		                O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

		if (fd < 0)
			continue;
		if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
			s->taken[s->count] = false;
			s->fds[s->count++] = fd;
		} else {
			close(fd);
		}
	}
	if (dir)
		closedir(dir);
}

int slots_take(struct slots *s, int *ret)
{
	*ret = -1;
	if (s->count == 0)
		return 0;
	for (size_t i = 0; i < s->count; i++) {
		/* a lock belongs to the open file: one that we have we would get again */
		if (s->taken[i] || flock(s->fds[i], LOCK_EX | LOCK_NB) < 0)
			continue;
		s->taken[i] = true;
		*ret = (int)i;
		return 0;
	}
	return -EAGAIN;
}

void slots_give(struct slots *s, int slot)
{
	if (slot < 0)
		return;
	flock(s->fds[slot], LOCK_UN);
	s->taken[slot] = false;
}

void slots_close(struct slots *s)
{
	for (size_t i = 0; i < s->count; i++)
		close(s->fds[i]);
	s->count = 0;
}
