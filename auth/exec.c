/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/exec.c - a program decides: it is told who wants in by its environment and, if it wants to,
 * what they typed by its standard input; its exit code is the answer. Checker, with the guard's
 * privilege, which the program does not get unless user= says so.
 *
 * Nothing of the network's is an argument or is read by a shell; the environment is made here, none
 * of ours is passed on. The program stays in the checker's process group, which auth/checker.c ends
 * as a whole: so it and what it starts do not outlive the login.
 * System calls: fork, execve, setgroups, setresgid, setresuid, prctl, pipe2, pidfd_open, poll,
 * kill, wait4; those of the system's user and group database.
 */
#include "auth/exec_lookup.h"
#include "auth/load.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/macros.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define ARGS_MAX 32
#define COMMAND_MAX 4096
#define ENV_MAX 8
#define ENV_SIZE (AUTH_USERNAME_MAX + 32)
#define TIMEOUT_MAX_SEC 3600
#define WORDS_MAX 2048 /* of what it says on stderr; the rest is not logged */
#define LINES_MAX 16
#define GROUPS_MAX 64

/* All that the child needs, made before the fork. */
struct program {
	char command[COMMAND_MAX];
	char *args[ARGS_MAX + 1];
	char env[ENV_MAX][ENV_SIZE];
	char *envp[ENV_MAX + 1];
	uid_t uid;
	gid_t gid, groups[GROUPS_MAX];
	int group_count;
	uint64_t timeout_usec;
	char words[WORDS_MAX];
	size_t words_len;
};

__attribute__((format(printf, 3, 4))) static int fail(char *err, int r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, AUTH_ERROR_MAX, fmt, ap);
	va_end(ap);
	return r;
}

/* ---- options ---- */

static int read_command(const char *command, struct program *p, char *err)
{
	char *state = NULL;
	size_t n = 0;

	if (command[0] != '/' || strlen(command) >= sizeof(p->command))
		return fail(err, -EINVAL,
		            "module 'exec' needs command=, the path of a program from / on, with "
		            "its arguments after blanks");
	if (strstr(command, "${"))
		return fail(err, -EINVAL,
		            "module 'exec': nothing is put into command=; the program finds "
		            "XPROXY_USER and the like in its environment");
	snprintf(p->command, sizeof(p->command), "%s", command);
	for (char *word = strtok_r(p->command, " \t", &state); word;
	     word = strtok_r(NULL, " \t", &state)) {
		if (n == ARGS_MAX)
			return fail(err, -E2BIG, "module 'exec': command= has too many words");
		p->args[n++] = word;
	}
	if (access(p->args[0], X_OK) < 0)
		return fail(err, -errno, "module 'exec': cannot run %s: %m",
		            auth_path_tail(p->args[0]));
	return 0;
}

/* Its own rights unless we are root, who has none to lend by default. */
static int read_user(const char *name, struct program *p, char *err)
{
	const struct passwd *pw = getpwnam(name ? name : "nobody");

	p->uid = geteuid();
	p->gid = getegid();
	if (p->uid != 0 && (!name || (pw && pw->pw_uid == p->uid)))
		return 0;
	if (!pw)
		return fail(err, -ENOENT, "module 'exec': there is no user '%.64s'",
		            name ? name : "nobody");
	if (p->uid != 0)
		return fail(err, -EPERM, "module 'exec': only root can run a program as '%.64s'",
		            name);
	p->uid = pw->pw_uid;
	p->gid = pw->pw_gid;
	p->group_count = ARRAY_SIZE(p->groups);
	if (getgrouplist(pw->pw_name, p->gid, p->groups, &p->group_count) < 0)
		return fail(err, -E2BIG, "module 'exec': user '%.64s' is in more than %d groups",
		            pw->pw_name, GROUPS_MAX);
	return 0;
}

static int read_options(const struct auth_options *o, struct program *p, char *err)
{
	const char *timeout = auth_option(o, "timeout", "20");
	char *end;
	unsigned long seconds = strtoul(timeout, &end, 10);
	int r;

	if (auth_truth(auth_option(o, "require-challenge", "no")) < 0)
		return fail(err, -EINVAL, "module 'exec': require-challenge= is yes or no");
	if (strcmp(end, "s") == 0)
		end++;
	if (end == timeout || *end || timeout[0] == '-' || !seconds || seconds > TIMEOUT_MAX_SEC)
		return fail(err, -EINVAL, "module 'exec': timeout= is a number of seconds to %d",
		            TIMEOUT_MAX_SEC);
	p->timeout_usec = seconds * USEC_PER_SEC;
	r = read_command(auth_option(o, "command", ""), p, err);
	return r < 0 ? r : read_user(auth_option(o, "user", NULL), p, err);
}

static int exec_open(const struct auth_options *options, char *err)
{
	static struct program p; /* large */

	p = (struct program){0};
	return read_options(options, &p, err);
}

/* ---- the program ---- */

static void set_env(struct program *p, size_t *n, const char *name, const char *value)
{
	snprintf(p->env[*n], ENV_SIZE, "%s=%s", name, value);
	p->envp[*n] = p->env[*n];
	++*n;
}

static void make_environment(const struct auth_attempt *a, struct program *p)
{
	char uid[16] = "";
	size_t n = 0;

	if (a->peer && a->peer->local_unix)
		snprintf(uid, sizeof(uid), "%u", a->peer->uid);
	set_env(p, &n, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	set_env(p, &n, "LANG", "C.UTF-8");
	set_env(p, &n, "XPROXY_USER", a->username);
	set_env(p, &n, "XPROXY_PEER", a->peer ? a->peer->text : "");
	set_env(p, &n, "XPROXY_ADDRESS", a->peer ? a->peer->address : "");
	set_env(p, &n, "XPROXY_PEER_UID", uid);
	set_env(p, &n, "XPROXY_SECURE", a->secure ? "yes" : "no");
}

static _Noreturn void become(const struct program *p, pid_t parent, int in, int out, int err)
{
	/* What is ignored stays so in the program. */
	for (int sig = 1; sig < 32; sig++)
		(void)signal(sig, SIG_DFL);
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0 || close_range(3, ~0U, 0) < 0)
		_exit(127);
	if (geteuid() == 0 &&
	    (setgroups((size_t)p->group_count, p->groups) < 0 ||
	     setresgid(p->gid, p->gid, p->gid) < 0 || setresuid(p->uid, p->uid, p->uid) < 0))
		_exit(127);
	(void)umask(077);
	/* After the change of users, which takes it back. */
	if (chdir("/") < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(127);
	execve(p->args[0], p->args, p->envp);
	dprintf(2, "cannot be run: %m\n");
	_exit(127);
}

/* Starts it; what it is to read is in the pipe already, which is larger than any password. */
static int start(const struct program *p, const struct auth_attempt *a, pid_t *ret_pid,
                 int *ret_stderr)
{
	_cleanup_close_ int in = -1, to = -1, out = -1, from = -1, err = -1;
	pid_t self = getpid();
	int pipes[2];

	out = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (out < 0 || pipe2(pipes, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	from = pipes[0];
	err = pipes[1];
	if (pipe2(pipes, O_CLOEXEC) < 0)
		return -errno;
	in = pipes[0];
	to = pipes[1];
	if (a->password && write(to, a->password, a->password_len) != (ssize_t)a->password_len)
		return -EIO;
	*ret_pid = fork();
	if (*ret_pid < 0)
		return -errno;
	if (*ret_pid == 0)
		become(p, self, in, out, err);
	*ret_stderr = take_fd(&from);
	return 0;
}

/* More of what it says; false: there will be no more. */
static bool hear(struct program *p, int fd)
{
	char rest[512];
	bool full = p->words_len == sizeof(p->words);
	ssize_t n = full ? read(fd, rest, sizeof(rest))
	                 : read(fd, p->words + p->words_len, sizeof(p->words) - p->words_len);

	if (n > 0 && !full)
		p->words_len += (size_t)n;
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

/* Until it ends, or its time is over: then it is ended. Its status, or a negative errno. */
static int wait_for(struct program *p, pid_t pid, int from)
{
	_cleanup_close_ int pidfd = pidfd_open(pid, 0);
	uint64_t until = now_usec() + p->timeout_usec;
	struct pollfd fds[] = {{.fd = pidfd, .events = POLLIN}, {.fd = from, .events = POLLIN}};
	int status = 0, r = pidfd < 0 ? -errno : 0;

	while (r == 0 && !fds[0].revents) {
		if (now_usec() >= until)
			r = -ETIMEDOUT;
		else if (poll(fds, ARRAY_SIZE(fds), poll_timeout_msec(until)) < 0 && errno != EINTR)
			r = -errno;
		else if (fds[1].revents && !hear(p, from))
			fds[1].fd = -1;
	}
	while (r == 0 && fds[1].fd >= 0 && poll(&fds[1], 1, 0) > 0)
		if (!hear(p, from))
			break;
	if (r < 0)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return r < 0 ? r : status;
}

static void pass_on(const struct program *p, const struct auth_attempt *a)
{
	int lines = 0;

	for (size_t i = 0, n; i < p->words_len && a->warn && lines < LINES_MAX; i += n + 1) {
		const char *end = memchr(p->words + i, '\n', p->words_len - i);
		char escaped[160], text[AUTH_ERROR_MAX];

		n = end ? (size_t)(end - p->words) - i : p->words_len - i;
		log_escape(p->words + i, n, escaped, sizeof(escaped));
		snprintf(text, sizeof(text), "%.80s says: '%s'", auth_path_tail(p->args[0]),
		         escaped);
		if (n > 0 && ++lines)
			a->warn(a, text);
	}
}

static int verdict(const struct program *p, struct auth_attempt *a, int status)
{
	const char *name = auth_path_tail(p->args[0]);

	if (status == -ETIMEDOUT)
		return fail(a->error, -ETIMEDOUT, "%s has not decided within %u s and was ended",
		            name, (unsigned)(p->timeout_usec / USEC_PER_SEC));
	if (status < 0)
		return fail(a->error, status, "%s: %s", name, strerror(-status));
	if (WIFSIGNALED(status))
		return fail(a->error, -EIO, "%s was killed by signal %d (%s)", name,
		            WTERMSIG(status), strsignal(WTERMSIG(status)));
	if (WEXITSTATUS(status) > 1)
		return fail(a->error, -EIO, "%s ended with exit code %d: 0 is a yes, 1 a no", name,
		            WEXITSTATUS(status));
	return WEXITSTATUS(status) == 0;
}

static int exec_verify(struct auth_attempt *a, struct auth_row *ret_row)
{
	static struct program p; /* large */
	bool asks = auth_truth(auth_option(a->options, "require-challenge", "no")) == 1;
	_cleanup_close_ int from = -1;
	pid_t pid;
	int r;

	(void)ret_row;
	p = (struct program){0};
	r = read_options(a->options, &p, a->error);
	if (r < 0)
		return r;
	if (asks && !a->password)
		return fail(a->error, -EPERM, "there is no password to tell %s",
		            auth_path_tail(p.args[0]));
	make_environment(a, &p);
	r = start(&p, a, &pid, &from);
	if (r == 0)
		r = wait_for(&p, pid, from);
	pass_on(&p, a);
	return verdict(&p, a, r);
}

static const char *const exec_options[] = {"command", "require-challenge", "timeout", "user", NULL};

const struct auth_module auth_exec = {
	.abi = AUTH_MODULE_ABI,
	.name = "exec",
	.flags = AUTH_WAITS,
	.options = exec_options,
	.open = exec_open,
	.verify = exec_verify,
	.lookup = exec_lookup,
};
