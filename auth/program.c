/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/program.c - a program of the administrator's, its input and its output. Checker or
 * xproxyctl, with their privilege, which the program does not get unless user= says so.
 *
 * Nothing of the network's is an argument or is read by a shell; the environment is made here, none
 * of ours is passed on. The program stays in the checker's process group, which auth/checker.c ends
 * as a whole: so it and what it starts do not outlive the login.
 * System calls: fork, execve, setgroups, setresgid, setresuid, prctl, pipe2, pidfd_open, poll,
 * kill, wait4; open and read of /proc; those of the system's user and group database.
 */
#include "auth/program.h"

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
#define ROUNDS_MAX 1000 /* of ending what is started meanwhile */

/* What it writes: as much as there is room for, and whether there was more. */
struct stream {
	int fd;
	char *text;
	size_t len, size;
	bool more;
};

/* All that the child needs, made before the fork; and what comes back. */
struct program {
	char command[COMMAND_MAX];
	char *args[ARGS_MAX + 1];
	char env[ENV_MAX][ENV_SIZE];
	char *envp[ENV_MAX + 1];
	uid_t uid;
	gid_t gid, groups[GROUPS_MAX];
	int group_count;
	uint64_t timeout_usec;
	struct stream out, err; /* out.text NULL: it is not wanted */
	char words[WORDS_MAX];
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

	if (strcmp(end, "s") == 0)
		end++;
	if (end == timeout || *end || timeout[0] == '-' || !seconds || seconds > TIMEOUT_MAX_SEC)
		return fail(err, -EINVAL, "module 'exec': timeout= is a number of seconds to %d",
		            TIMEOUT_MAX_SEC);
	p->timeout_usec = seconds * USEC_PER_SEC;
	r = read_command(auth_option(o, "command", ""), p, err);
	return r < 0 ? r : read_user(auth_option(o, "user", NULL), p, err);
}

int program_check(const struct auth_options *options, char *err)
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
	set_env(p, &n, "XPROXY_SECURE", !a->peer ? "" : a->secure ? "yes" : "no");
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

static int make_pipe(int *ret_from, int *ret_to)
{
	int pipes[2];

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return -errno;
	*ret_from = pipes[0];
	*ret_to = pipes[1];
	return 0;
}

/* Starts it; what it is to read is in the pipe already, which is larger than any password. Its pid,
 * or a negative errno. */
static pid_t start(struct program *p, const char *input, size_t input_len)
{
	_cleanup_close_ int in = -1, to = -1, out = -1, err = -1;
	pid_t self = getpid(), pid;
	int r = make_pipe(&p->err.fd, &err);

	if (r == 0)
		r = make_pipe(&in, &to);
	if (r == 0 && p->out.text)
		r = make_pipe(&p->out.fd, &out);
	else if (r == 0 && (out = open("/dev/null", O_RDWR | O_CLOEXEC)) < 0)
		r = -errno;
	if (r < 0)
		return r;
	if (input && write(to, input, input_len) != (ssize_t)input_len)
		return -EIO;
	/* What it starts and leaves behind is ours, to be found by end_all(). */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		become(p, self, in, out, err);
	return pid < 0 ? -errno : pid;
}

/* More of what it writes, where poll() has said that there is some; false: there will be none. */
static bool hear(struct stream *s)
{
	char rest[512];
	bool full = s->len == s->size;
	ssize_t n = full ? read(s->fd, rest, sizeof(rest))
	                 : read(s->fd, s->text + s->len, s->size - s->len);

	if (n > 0 && full)
		s->more = true;
	else if (n > 0)
		s->len += (size_t)n;
	return n > 0 || (n < 0 && errno == EINTR);
}

/* What was there when it ended; others that have the pipe are not waited for. */
static void hear_rest(struct stream *s)
{
	struct pollfd pfd = {.fd = s->fd, .events = POLLIN};

	while (!s->more && poll(&pfd, 1, 0) > 0 && hear(s))
		;
}

static bool end_one(pid_t pid)
{
	return kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid;
}

/* The program, then our other children: what it has left, and what becomes ours by that. */
static void end_all(pid_t first)
{
	bool any = true;

	(void)end_one(first);
	for (int i = 0; any && i < ROUNDS_MAX; i++) {
		FILE *f = fopen("/proc/thread-self/children", "re");
		int pid;

		any = false;
		while (f && fscanf(f, "%d", &pid) == 1)
			any |= end_one(pid);
		if (f)
			(void)fclose(f);
	}
}

/* Until it ends, or its time is over: then it is ended. Its status, or a negative errno. */
static int wait_for(struct program *p, pid_t pid)
{
	_cleanup_close_ int pidfd = pidfd_open(pid, 0);
	uint64_t until = now_usec() + p->timeout_usec;
	struct pollfd fds[] = {{.fd = pidfd, .events = POLLIN},
	                       {.fd = p->err.fd, .events = POLLIN},
	                       {.fd = p->out.fd, .events = POLLIN}};
	int status = 0, r = pidfd < 0 ? -errno : 0;

	while (r == 0 && !fds[0].revents) {
		if (now_usec() >= until)
			r = -ETIMEDOUT;
		else if (poll(fds, ARRAY_SIZE(fds), poll_timeout_msec(until)) < 0)
			r = errno == EINTR ? 0 : -errno;
		else if (fds[1].revents && !hear(&p->err))
			fds[1].fd = -1;
		else if (fds[2].revents && !hear(&p->out))
			fds[2].fd = -1;
		else if (p->out.more)
			r = -E2BIG;
	}
	hear_rest(&p->err);
	hear_rest(&p->out);
	if (r == 0 && p->out.more)
		r = -E2BIG;
	if (r < 0)
		end_all(pid);
	while (r == 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return r < 0 ? r : status;
}

static void pass_on(const struct program *p, const struct auth_attempt *a)
{
	int lines = 0;

	for (size_t i = 0, n; i < p->err.len && a->warn && lines < LINES_MAX; i += n + 1) {
		const char *end = memchr(p->words + i, '\n', p->err.len - i);
		char escaped[160], text[AUTH_ERROR_MAX];

		n = end ? (size_t)(end - p->words) - i : p->err.len - i;
		log_escape(p->words + i, n, escaped, sizeof(escaped));
		snprintf(text, sizeof(text), "%.80s says: '%s'", auth_path_tail(p->args[0]),
		         escaped);
		if (n > 0 && ++lines)
			a->warn(a, text);
	}
}

static int answer(const struct program *p, struct auth_attempt *a, int status)
{
	const char *name = auth_path_tail(p->args[0]);

	if (status == -ETIMEDOUT)
		return fail(a->error, -ETIMEDOUT, "%s has not answered within %u s and was ended",
		            name, (unsigned)(p->timeout_usec / USEC_PER_SEC));
	if (status == -E2BIG)
		return fail(a->error, -E2BIG, "%s prints more than %u KiB and was ended", name,
		            PROGRAM_OUTPUT_MAX >> 10);
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

int program_run(struct auth_attempt *a, const char *input, size_t input_len, char **ret,
                size_t *ret_len)
{
	static struct program p; /* large */
	pid_t pid;
	int r;

	p = (struct program){.out = {.fd = -1}, .err = {.fd = -1, .size = WORDS_MAX}};
	p.err.text = p.words;
	if (ret) {
		*ret = p.out.text = calloc(1, PROGRAM_OUTPUT_MAX + 1);
		p.out.size = PROGRAM_OUTPUT_MAX;
		if (!*ret)
			return fail(a->error, -ENOMEM, "out of memory");
	}
	r = read_options(a->options, &p, a->error);
	if (r < 0)
		return r;
	make_environment(a, &p);
	pid = start(&p, input, input_len);
	r = pid < 0 ? pid : wait_for(&p, pid);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 0);
	cleanup_close_fd(&p.out.fd);
	cleanup_close_fd(&p.err.fd);
	if (ret)
		*ret_len = p.out.len;
	pass_on(&p, a);
	return answer(&p, a, r);
}
