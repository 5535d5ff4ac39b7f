/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/since.c - since when sessions are there. since_sessions() runs in the guard; the paths
 * are looked up by a child of it that has become the user: statx, pipe2, write.
 *
 * The time of the socket's birth: xpra servers touch their sockets every minute, so that no other
 * time says anything. File systems that do not keep it leave it unknown.
 */
#include "session/since.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/macros.h"
#include "session/asuser.h"
#include "session/locate.h"

#define LOOK_USEC (3 * USEC_PER_SEC) /* a home directory that does not answer */

struct question {
	const struct config *config;
	const struct identity *id;
	const struct uri *sessions;
	size_t count;
};

static uint64_t born(const char *path)
{
	struct statx st;

	if (statx(AT_FDCWD, path, AT_NO_AUTOMOUNT, STATX_TYPE | STATX_BTIME, &st) < 0 ||
	    !S_ISSOCK(st.stx_mode) || !(st.stx_mask & STATX_BTIME) || st.stx_btime.tv_sec < 0)
		return 0;
	return (uint64_t)st.stx_btime.tv_sec;
}

static uint64_t look_up(const struct locate_dirs *dirs, const struct uri *u)
{
	const char *name = u->display + (u->display[0] == ':');
	char path[LOCATE_PATH_MAX];
	uint64_t found = 0;

	if (u->scheme == URI_SOCKET)
		return born(u->path);
	if (u->scheme != URI_DISPLAY)
		return 0;
	for (size_t i = 0; !found && locate_place(dirs, name, i, path); i++)
		found = born(path);
	return found;
}

/* The answer fits into a pipe. */
static int answer(const void *arg, struct rpc_opened *ret, char *err)
{
	const struct question *q = arg;
	uint64_t sec[RECORD_SESSIONS_MAX] = {0};
	struct locate_dirs dirs;
	int fds[2];

	(void)ret;
	(void)err;
	locate_dirs(q->config, q->id, &dirs);
	for (size_t i = 0; i < q->count; i++)
		sec[i] = look_up(&dirs, &q->sessions[i]);
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0 ||
	    write(fds[1], sec, sizeof(sec)) != sizeof(sec))
		return -EIO;
	close(fds[1]);
	return fds[0];
}

void since_sessions(const struct config *c, const struct identity *id, const struct uri *sessions,
                    size_t count, uint64_t *ret_sec)
{
	const struct question q = {c, id, sessions, count};
	uint64_t sec[RECORD_SESSIONS_MAX];
	_cleanup_close_ int fd = -1;
	struct rpc_opened unused;
	char err[RPC_TEXT_MAX];
	bool here = false;

	memset(ret_sec, 0, count * sizeof(*ret_sec));
	for (size_t i = 0; i < count; i++)
		here |= sessions[i].scheme != URI_TCP;
	if (!here)
		return;
	fd = asuser_open(id, answer, &q, LOOK_USEC, -1, &unused, err);
	if (fd >= 0 && read(fd, sec, sizeof(sec)) == sizeof(sec))
		memcpy(ret_sec, sec, count * sizeof(*sec));
}
