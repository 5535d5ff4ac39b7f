/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/program.c - a program and its output. Checker or xproxyctl, with its privilege, which the
 * program does not get unless user= says so.
 * System calls: fork, execve, setgroups, setresgid, setresuid, prctl, pipe2, poll, kill, wait4;
 * those of the system's user database.
 */
#include "auth/program.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/macros.h"

#define ARGS_MAX 32
#define COMMAND_MAX 4096
#define GROUPS_MAX 64
#define TIMEOUT_MAX_SEC 3600

struct program {
	char command[COMMAND_MAX];
	char *args[ARGS_MAX + 1];
	unsigned timeout_sec;
	uid_t uid;
	gid_t gid, groups[GROUPS_MAX];
	int group_count;
	char env[4][AUTH_USERNAME_MAX + 64];
	char *envp[5];
};

static int fail(char *err, int r, const char *text)
{
	snprintf(err, AUTH_ERROR_MAX, "%s", text);
	return r;
}

static int read_user(const char *name, struct program *p, char *err)
{
	const struct passwd *pw = getpwnam(name ? name : "nobody");

	p->uid = geteuid();
	p->gid = getegid();
	if (p->uid != 0 && (!name || (pw && pw->pw_uid == p->uid)))
		return 0;
	if (!pw)
		return fail(err, -ENOENT, "user=: there is no such user");
	if (p->uid != 0)
		return fail(err, -EPERM, "user=: only root can run a program as another user");
	p->uid = pw->pw_uid;
	p->gid = pw->pw_gid;
	p->group_count = GROUPS_MAX;
	if (getgrouplist(pw->pw_name, p->gid, p->groups, &p->group_count) < 0)
		return fail(err, -E2BIG, "user=: this user is in more than 64 groups");
	return 0;
}

static int read_options(const struct auth_options *o, struct program *p, char *err)
{
	const char *command = auth_option(o, "command", ""),
		   *timeout = auth_option(o, "timeout", "10");
	char *state = NULL, *end;
	unsigned long seconds = strtoul(timeout, &end, 10);
	size_t n = 0;

	if (*timeout < '1' || *timeout > '9' || (*end && strcmp(end, "s") != 0) ||
	    seconds > TIMEOUT_MAX_SEC)
		return fail(err, -EINVAL, "timeout= is a number of seconds, 1 to 3600");
	p->timeout_sec = (unsigned)seconds;
	if (command[0] != '/' || strlen(command) >= sizeof(p->command))
		return fail(err, -EINVAL,
		            "command= is needed: the path of a program from / on, with its "
		            "arguments after blanks");
	snprintf(p->command, sizeof(p->command), "%s", command);
	for (char *word = strtok_r(p->command, " \t", &state); word && n <= ARGS_MAX;
	     word = strtok_r(NULL, " \t", &state))
		p->args[n++] = word;
	if (n > ARGS_MAX)
		return fail(err, -E2BIG, "command= has too many words");
	if (access(p->args[0], X_OK) < 0) {
		snprintf(err, AUTH_ERROR_MAX, "cannot run %s: %s", auth_path_tail(p->args[0]),
		         strerror(errno));
		return -errno;
	}
	return read_user(auth_option(o, "user", NULL), p, err);
}

int program_check(const struct auth_options *options, char *err)
{
	static struct program p;

	p = (struct program){0};
	return read_options(options, &p, err);
}

static _Noreturn void become(const struct program *p, pid_t parent, int out)
{
	/* What is ignored stays so in the program. */
	for (int sig = 1; sig < 32; sig++)
		(void)signal(sig, SIG_DFL);
	/* Its complaints go where ours do: to the journal. */
	if (dup2(open("/dev/null", O_RDONLY), 0) < 0 || dup2(out, 1) < 0 ||
	    close_range(3, ~0U, 0) < 0)
		_exit(127);
	if (geteuid() == 0 &&
	    (setgroups((size_t)p->group_count, p->groups) < 0 ||
	     setresgid(p->gid, p->gid, p->gid) < 0 || setresuid(p->uid, p->uid, p->uid) < 0))
		_exit(127);
	/* After the change of users, which takes it back. */
	if (chdir("/") < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(127);
	execve(p->args[0], p->args, p->envp);
	_exit(127);
}

static void make_environment(const struct auth_attempt *a, struct program *p)
{
	const size_t size = sizeof(p->env[0]);

	snprintf(p->env[0], size,
	         "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	snprintf(p->env[1], size, "LANG=C.UTF-8");
	snprintf(p->env[2], size, "XPROXY_USER=%s", a->username);
	snprintf(p->env[3], size, "XPROXY_ADDRESS=%s", a->peer ? a->peer->address : "");
	for (size_t i = 0; i < ARRAY_SIZE(p->env); i++)
		p->envp[i] = p->env[i];
}

/* Until it closes its output, or its time is over. 0 or a negative errno. */
static int read_all(int fd, uint64_t until, char *buf, size_t *ret_len)
{
	*ret_len = 0;
	for (;;) {
		struct pollfd pfd = {.fd = fd, .events = POLLIN};
		ssize_t n;
		int r = poll(&pfd, 1, poll_timeout_msec(until));

		if (r == 0)
			return -ETIMEDOUT;
		n = r < 0 ? -1 : read(fd, buf + *ret_len, PROGRAM_OUTPUT_MAX - *ret_len);
		if (n == 0)
			return *ret_len == PROGRAM_OUTPUT_MAX ? -E2BIG : 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			*ret_len += (size_t)n;
	}
}

/* It has closed its output: a moment to end. Its status, or a negative errno. */
static int wait_end(pid_t pid, uint64_t until)
{
	int status = 0, n;

	while ((n = waitpid(pid, &status, WNOHANG)) == 0 && now_usec() < until)
		(void)poll(NULL, 0, 5);
	return n == pid ? status : n == 0 ? -ETIMEDOUT : -errno;
}

static int explain(const struct program *p, struct auth_attempt *a, int status)
{
	const char *name = auth_path_tail(p->args[0]);
	int r = -EIO;

	if (status == -ETIMEDOUT)
		snprintf(a->error, sizeof(a->error), "%s was not done within %u s and was ended",
		         name, p->timeout_sec);
	else if (status == -E2BIG)
		snprintf(a->error, sizeof(a->error), "%s prints more than %u KiB", name,
		         PROGRAM_OUTPUT_MAX >> 10);
	else if (status < 0)
		snprintf(a->error, sizeof(a->error), "%s: %s", name, strerror(-status));
	else if (WIFSIGNALED(status))
		snprintf(a->error, sizeof(a->error), "%s was killed by signal %d", name,
		         WTERMSIG(status));
	else
		r = WEXITSTATUS(status);
	return status < 0 ? status : r;
}

int program_run(struct auth_attempt *a, char **ret, size_t *ret_len)
{
	static struct program p;
	_cleanup_close_ int from = -1, out = -1;
	pid_t self = getpid(), pid;
	uint64_t until;
	int pipes[2], r;

	p = (struct program){0};
	r = read_options(a->options, &p, a->error);
	if (r < 0)
		return r;
	make_environment(a, &p);
	until = now_usec() + p.timeout_sec * USEC_PER_SEC;
	*ret = calloc(1, PROGRAM_OUTPUT_MAX + 1);
	if (!*ret || pipe2(pipes, O_CLOEXEC) < 0)
		return explain(&p, a, -ENOMEM);
	from = pipes[0];
	out = pipes[1];
	pid = fork();
	if (pid < 0)
		return explain(&p, a, -errno);
	if (pid == 0)
		become(&p, self, out);
	close(take_fd(&out));
	r = read_all(from, until, *ret, ret_len);
	if (r == 0)
		r = wait_end(pid, until);
	if (r < 0) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
	}
	return explain(&p, a, r);
}
