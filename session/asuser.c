/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/asuser.c - children of the guard that become the session's user for good, do one thing
 * and pass the result. A child holds nothing but its end of a SEQPACKET pair, on which it sends one
 * or more `struct reply`, the last with at most one fd; it never gets the client's fd or the
 * worker's.
 *
 * In the child: setgroups, setres[ug]id, capset, prctl, then session/connect.c, bind.c or locate.c
 * as the user. In the guard: fork, poll, recvmsg, kill, waitpid.
 */
#include "session/asuser.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/macros.h"
#include "base/sandbox.h"
#include "base/socket.h"
#include "session/bind.h"
#include "session/connect.h"

#define REPLY_GRACE_USEC \
	(1 * USEC_PER_SEC) /* a child keeps its own deadline; this is for the odd one */
#define SCAN_USEC (10 * USEC_PER_SEC)
#define BIND_USEC (5 * USEC_PER_SEC)

struct reply {
	int32_t result; /* 0, a negative errno, or REPLY_MORE */
	char path[LOCATE_PATH_MAX];
	struct uri uri;
	char err[RPC_TEXT_MAX];
	struct rpc_opened opened;
	struct rpc_key key;
};
#define REPLY_MORE 1

/* ---- in the child ---- */

static int become(const struct identity *id)
{
	int r;

	r = id->group_count < 0 ? initgroups(id->name, id->gid)
	                        : setgroups((size_t)id->group_count, id->groups);
	if (r < 0)
		return -errno;
	if (setresgid(id->gid, id->gid, id->gid) < 0 || setresuid(id->uid, id->uid, id->uid) < 0)
		return -errno;
	return 0;
}

/* Asks the kernel, and tries to get back. */
static int verify(uid_t uid, gid_t gid)
{
	uid_t ru, eu, su;
	gid_t rg, eg, sg;

	if (getresuid(&ru, &eu, &su) < 0 || getresgid(&rg, &eg, &sg) < 0)
		return -errno;
	if (uid == 0 || ru != uid || eu != uid || su != uid)
		return -EPERM;
	if (rg != gid || eg != gid || sg != gid)
		return -EPERM;
	if (setuid(0) == 0 || setresuid((uid_t)-1, 0, (uid_t)-1) == 0)
		return -EPERM;
	if (gid != 0 && setgid(0) == 0)
		return -EPERM;
	return 0;
}

int asuser_become(const struct identity *id)
{
	gid_t gid = id->gid;
	int r;

	if (id->uid == 0)
		return -EPERM;
	if (geteuid() == 0) {
		if (id->gid == 0 || id->gid == (gid_t)-1 || id->uid == (uid_t)-1)
			return -EPERM;
		r = become(id);
		if (r < 0)
			return r;
	} else {
		gid = getgid();
	}
	r = sandbox_drop_capabilities();
	return r < 0 ? r : verify(id->uid, gid);
}

int asuser_drop(const struct identity *id)
{
	int r = asuser_become(id);

	if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = -errno;
	return r;
}

/* Everything but `keep` is closed, and stdio goes nowhere: a library that prints must not print
 * into a socket that got its number. Returns the fd that keep has become. */
static int detach(int keep)
{
	int null_fd;

	if (keep < 3) {
		keep = fcntl(keep, F_DUPFD_CLOEXEC, 3);
		if (keep < 0)
			return -errno;
	}
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd < 3; fd++)
		if (null_fd < 0 || dup2(null_fd, fd) < 0)
			return -errno;
	if (keep > 3 && close_range(3, (unsigned)keep - 1, 0) < 0)
		return -errno;
	if (close_range((unsigned)keep + 1, ~0U, 0) < 0)
		return -errno;
	return keep;
}

static void reset_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig <= SIGSYS; sig++) /* nobody has touched the others */
		(void)signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void send_reply(int fd, const struct reply *reply, int pass_fd)
{
	(void)socket_send(fd, reply, sizeof(*reply), pass_fd); /* the guard may have given up */
}

struct job {
	const struct config *config;
	const struct identity *id;
	const struct uri *uri;
	const struct session_options *options;
	pid_t proxy_pid;
	bool stays; /* the child outlives its reply */
	asuser_task *task;
	const void *arg;
	void (*run)(const struct job *job, int fd, struct reply *reply);
};

/* Never returns. */
static void child(const struct job *job, int fd, pid_t parent)
{
	static struct reply reply;
	int r;

	reset_signals();
	fd = detach(fd);
	if (fd < 0)
		_exit(1);
	r = asuser_drop(job->id);
	if (r < 0) {
		reply.result = r;
		snprintf(reply.err, sizeof(reply.err), "become uid %u: %s", job->id->uid,
		         strerror(-r));
		send_reply(fd, &reply, -1);
		_exit(1);
	}
	/* After the drop: a change of uid clears it. The one that stays must see the guard's end.
	 */
	if (!job->stays && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		_exit(1);
	if (getppid() != parent)
		_exit(1);
	job->run(job, fd, &reply);
	_exit(0);
}

/* ---- in the guard ---- */

static pid_t spawn(const struct job *job, int *ret_fd)
{
	pid_t parent = getpid(), pid;
	int fds[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		child(job, fds[1], parent);
	r = pid < 0 ? -errno : 0;
	close(fds[1]);
	if (r < 0) {
		close(fds[0]);
		return r;
	}
	*ret_fd = fds[0];
	return pid;
}

/* Ends a child, if it was made, and closes our end of its pair. */
static void reap(pid_t pid, int fd)
{
	if (pid <= 0)
		return;
	if (fd >= 0)
		close(fd);
	kill(pid, SIGKILL); /* it has either exited or is of no use any more */
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* One message from the child: 0 and *ret and *ret_fd, or a negative errno. */
static int receive(int fd, struct reply *ret, int *ret_fd)
{
	ssize_t n = socket_receive(fd, ret, sizeof(*ret), ret_fd);

	if (n == sizeof(*ret))
		return 0;
	if (*ret_fd >= 0)
		close(take_fd(ret_fd));
	return n == 0 ? -EPIPE : n < 0 ? (int)n : -EBADMSG;
}

/* Waits for one reply. -ECANCELED: abort_fd hung up. */
static int wait_reply(int fd, int abort_fd, uint64_t deadline_usec, struct reply *ret, int *ret_fd)
{
	struct pollfd p[] = {{.fd = fd, .events = POLLIN}, {.fd = abort_fd, .events = POLLRDHUP}};
	int r;

	for (;;) {
		r = poll(p, 2, poll_timeout_msec(deadline_usec));
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r == 0)
			return -ETIMEDOUT;
		if (r > 0 && p[1].revents)
			return -ECANCELED;
		if (r > 0)
			return receive(fd, ret, ret_fd);
	}
}

/* ---- one fd ---- */

static void run_task(const struct job *job, int fd, struct reply *reply)
{
	int r = job->task(job->arg, &reply->opened, reply->err);

	reply->result = r < 0 ? r : 0;
	send_reply(fd, reply, r);
}

int asuser_open(const struct identity *id, asuser_task *task, const void *arg,
                uint64_t timeout_usec, int abort_fd, struct rpc_opened *ret, char *err)
{
	const struct job job = {.id = id, .task = task, .arg = arg, .run = run_task};
	uint64_t deadline = now_usec() + timeout_usec;
	struct reply reply = {0};
	int r, pair_fd = -1, fd = -1;
	pid_t pid = spawn(&job, &pair_fd);

	r = pid < 0 ? (int)pid : wait_reply(pair_fd, abort_fd, deadline, &reply, &fd);
	reap(pid, pair_fd);
	if (r == 0)
		r = reply.result < 0 ? reply.result : fd < 0 ? -EBADMSG : fd;
	*ret = reply.opened;
	snprintf(err, RPC_TEXT_MAX, "%s", reply.err[0] || r >= 0 ? reply.err : strerror(-r));
	return r;
}

/* ---- connect ---- */

static void run_connect(const struct job *job, int fd, struct reply *reply)
{
	struct connect_result c;
	int r = connect_session(job->config, job->id, job->uri, job->options, &c);

	memcpy(reply->path, c.path, sizeof(reply->path));
	memcpy(reply->err, c.err, sizeof(reply->err));
	reply->key = c.key;
	if (r == 0 && c.also_fd >= 0) {
		reply->result = REPLY_MORE;
		send_reply(fd, reply, c.also_fd);
	}
	reply->result = r;
	send_reply(fd, reply, r < 0 ? -1 : c.fd);
	if (r == 0 && c.ssh_fd >= 0)
		connect_become_ssh(job->config, job->id, job->uri, &c);
}

/* What the child says, with both fds. 0 or a negative errno. */
static int wait_connected(int pair_fd, int abort_fd, uint64_t deadline_usec, struct reply *reply,
                          int *ret_fd, int *ret_also_fd)
{
	int r = wait_reply(pair_fd, abort_fd, deadline_usec, reply, ret_fd);

	if (r == 0 && reply->result == REPLY_MORE) {
		*ret_also_fd = take_fd(ret_fd);
		r = wait_reply(pair_fd, abort_fd, deadline_usec, reply, ret_fd);
	}
	if (r == 0)
		r = reply->result;
	return r == 0 && *ret_fd < 0 ? -EBADMSG : r;
}

int asuser_connect(const struct config *c, const struct identity *id, const struct uri *u,
                   const struct session_options *o, int abort_fd, struct asuser_target *target)
{
	const struct job job = {.config = c, .id = id, .uri = u, .options = o, .run = run_connect};
	uint64_t deadline = now_usec() + c->sessions_connect_timeout_usec + REPLY_GRACE_USEC;
	_cleanup_close_ int also_fd = -1;
	char where[URI_TEXT_MAX];
	struct reply reply = {0};
	int r, pair_fd = -1, fd = -1;
	pid_t pid;

	*target = (struct asuser_target){.also_fd = -1};
	pid = spawn(&job, &pair_fd);
	r = pid < 0 ? (int)pid : wait_connected(pair_fd, abort_fd, deadline, &reply, &fd, &also_fd);
	if (pid >= 0) {
		close(pair_fd);
		target->child = pid;
	}
	if (r == 0) {
		memcpy(target->path, reply.path, sizeof(target->path));
		target->also_fd = take_fd(&also_fd);
		target->key = reply.key;
		explicit_bzero(&reply.key, sizeof(reply.key));
		return fd;
	}
	uri_print(u, where, sizeof(where));
	snprintf(target->err, sizeof(target->err), "connect to %.200s: %.250s", where,
	         reply.err[0] ? reply.err : strerror(-r));
	return r;
}

void asuser_reap(struct asuser_target *target)
{
	reap(target->child, -1);
	target->child = 0;
}

/* ---- sessions ---- */

static void run_sessions(const struct job *job, int fd, struct reply *reply)
{
	static struct uri found[RECORD_SESSIONS_MAX];
	struct locate_only only;
	struct locate_dirs dirs;
	size_t n;

	locate_dirs(job->config, job->id, &dirs);
	n = locate_sessions(&dirs, job->id, found, ARRAY_SIZE(found), &only);
	for (size_t i = 0; i < n; i++) {
		reply->result = i + 1 < n ? REPLY_MORE : 0;
		reply->uri = found[i];
		if (i + 1 < n)
			send_reply(fd, reply, -1);
	}
	memcpy(reply->path, only.path, sizeof(reply->path));
	send_reply(fd, reply, only.fd);
}

void asuser_scan(const struct config *c, const struct identity *id, struct asuser_scan *ret)
{
	const struct job job = {.config = c, .id = id, .run = run_sessions};

	ret->fd = -1;
	ret->child = spawn(&job, &ret->fd);
}

size_t asuser_sessions(const struct asuser_scan *scan, struct uri *ret, size_t max,
                       struct locate_only *ret_only)
{
	uint64_t deadline = now_usec() + SCAN_USEC;
	struct reply reply = {0};
	size_t n = 0;
	int r;

	ret_only->fd = -1;
	if (scan->fd < 0)
		return 0;
	do {
		r = wait_reply(scan->fd, -1, deadline, &reply, &ret_only->fd);
		if (r == 0 && reply.uri.display[0]) /* else there is none */
			ret[n++] = reply.uri;
	} while (r == 0 && reply.result == REPLY_MORE && n < max);
	if (r == 0)
		memcpy(ret_only->path, reply.path, sizeof(ret_only->path));
	return n;
}

void asuser_scan_end(struct asuser_scan *scan)
{
	reap(scan->child, scan->fd);
	*scan = (struct asuser_scan){.fd = -1};
}

/* ---- control socket ---- */

static void run_control(const struct job *job, int fd, struct reply *reply)
{
	struct bind_socket s;
	int r = bind_control(job->config, job->id, job->proxy_pid, &s, reply->err);

	reply->result = r < 0 ? r : 0;
	if (r < 0) {
		send_reply(fd, reply, -1);
		return;
	}
	memcpy(reply->path, s.path, sizeof(reply->path));
	send_reply(fd, reply, s.fd);
	bind_keep(&s, fd);
}

int asuser_control_socket(const struct config *c, const struct identity *id, pid_t proxy_pid,
                          char ret_path[LOCATE_PATH_MAX], int *ret_keep_fd, pid_t *ret_child,
                          char err[RPC_TEXT_MAX])
{
	const struct job job = {
		.config = c, .id = id, .proxy_pid = proxy_pid, .stays = true, .run = run_control};
	struct reply reply = {0};
	int r, pair_fd = -1, fd = -1;
	pid_t pid;

	pid = spawn(&job, &pair_fd);
	r = pid < 0 ? (int)pid : wait_reply(pair_fd, -1, now_usec() + BIND_USEC, &reply, &fd);
	if (r == 0)
		r = reply.result;
	if (r == 0 && fd < 0)
		r = -EBADMSG;
	if (r == 0) {
		snprintf(ret_path, LOCATE_PATH_MAX, "%.*s", LOCATE_PATH_MAX - 1, reply.path);
		*ret_keep_fd = pair_fd;
		*ret_child = pid;
		return fd;
	}
	snprintf(err, RPC_TEXT_MAX, "%.*s", RPC_TEXT_MAX - 1,
	         reply.err[0] ? reply.err : strerror(-r));
	reap(pid, pair_fd); /* closed first: it then removes what it may have made */
	return r;
}
