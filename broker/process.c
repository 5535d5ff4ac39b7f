/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/process.c - runs programs side by side, for what they print. xproxy-x2gobroker, without
 * privilege.
 *
 * System calls: fork, execve, setpgid, prctl, pipe2, open, chdir, pidfd_open, poll, read, kill,
 * wait4, close_range.
 */
#include "broker/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/macros.h"

#define FDS_EACH 3
#define DEATH_USEC (200 * USEC_PER_MSEC) /* from SIGKILL to its end, where that takes any time */

static _Noreturn void become(const struct process *p, pid_t parent, int out, int err, char *home)
{
	char path[] = "PATH=/usr/local/bin:/usr/bin:/bin", lang[] = "LANG=C.UTF-8";
	char *const envp[] = {path, lang, home, NULL};
	int in = open("/dev/null", O_RDONLY);
	sigset_t none;

	/* What is ignored or blocked stays so in the program. */
	for (int sig = 1; sig < 32; sig++)
		(void)signal(sig, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (setpgid(0, 0) < 0 || in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 ||
	    dup2(err, 2) < 0 || close_range(3, ~0U, 0) < 0)
		_exit(127);
	(void)umask(077);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(127);
	if (chdir(p->directory[0] ? p->directory : "/") == 0)
		execve(p->argv[0], (char *const *)(uintptr_t)p->argv, envp);
	dprintf(2, "cannot be run: %m\n");
	_exit(127);
}

static int start(struct process *p)
{
	_cleanup_free_ char *home = NULL;
	int out[2], err[2];
	pid_t self = getpid();

	if (asprintf(&home, "HOME=%s", p->directory[0] ? p->directory : "/") < 0)
		return -ENOMEM;
	if (pipe2(out, O_CLOEXEC) < 0)
		return -errno;
	p->out = out[0];
	if (pipe2(err, O_CLOEXEC) < 0) {
		(void)close(out[1]);
		return -errno;
	}
	p->err = err[0];
	p->pid = fork();
	if (p->pid == 0)
		become(p, self, out[1], err[1], home);
	(void)close(out[1]);
	(void)close(err[1]);
	if (p->pid < 0)
		return -errno;
	(void)setpgid(p->pid, p->pid); /* whoever is first: it may be killed right now */
	p->pidfd = pidfd_open(p->pid, 0);
	return p->pidfd < 0 ? -errno : 0;
}

/* More of what it prints; false: there will be none, or it is too much. */
static bool hear_output(struct process *p)
{
	char more[4096], *grown;
	ssize_t n = read(p->out, more, sizeof(more));

	if (n <= 0)
		return n < 0 && errno == EINTR;
	if ((size_t)n > PROCESS_OUTPUT_MAX - p->output_len) {
		p->result = -E2BIG;
		return false;
	}
	grown = realloc(p->output, p->output_len + (size_t)n + 1);
	if (!grown) {
		p->result = -ENOMEM;
		return false;
	}
	p->output = grown;
	memcpy(grown + p->output_len, more, (size_t)n);
	p->output_len += (size_t)n;
	grown[p->output_len] = '\0';
	return true;
}

static bool hear_words(struct process *p)
{
	char more[512];
	ssize_t n = read(p->err, more, sizeof(more));
	size_t room = PROCESS_WORDS_MAX - p->words_len;

	if (n <= 0)
		return n < 0 && errno == EINTR;
	room = (size_t)n < room ? (size_t)n : room;
	memcpy(p->words + p->words_len, more, room);
	p->words_len += room;
	p->words[p->words_len] = '\0';
	return true;
}

/* What is in the pipes already; others that hold them are not waited for. */
static void hear_rest(struct process *p)
{
	struct pollfd out = {.fd = p->out, .events = POLLIN},
		      err = {.fd = p->err, .events = POLLIN};

	while (p->result == 0 && p->out >= 0 && poll(&out, 1, 0) > 0 && hear_output(p))
		;
	for (int i = 0; i < 64 && p->err >= 0 && poll(&err, 1, 0) > 0 && hear_words(p); i++)
		;
}

static void close_end(int *fd)
{
	cleanup_close_fd(fd);
	*fd = -1;
}

/* Its whole group, while the number is still its own: before it is waited for. */
static void finish(struct process *p)
{
	struct pollfd gone = {.fd = p->pidfd, .events = POLLIN};
	uint64_t until = now_usec() + DEATH_USEC;
	int status = 0;

	if (p->pid > 0) {
		hear_rest(p);
		if (kill(-p->pid, SIGKILL) < 0)
			(void)kill(p->pid, SIGKILL);
		if (p->pidfd >= 0 && poll(&gone, 1, poll_timeout_msec(until)) > 0 &&
		    waitpid(p->pid, &status, 0) == p->pid && p->result == 0)
			p->result = WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
	}
	close_end(&p->pidfd);
	close_end(&p->out);
	close_end(&p->err);
	p->pid = 0;
}

/* One that poll() has something to say about. */
static void attend(struct process *p, const struct pollfd fds[FDS_EACH])
{
	if (fds[0].revents && !hear_output(p))
		close_end(&p->out);
	if (fds[1].revents && !hear_words(p))
		close_end(&p->err);
	if (fds[2].revents || p->result < 0)
		finish(p);
}

static size_t fill(const struct process *list, size_t n, struct pollfd *fds)
{
	size_t running = 0;

	for (size_t i = 0; i < n; i++) {
		bool runs = list[i].pid > 0;

		running += runs;
		fds[FDS_EACH * i] = (struct pollfd){runs ? list[i].out : -1, POLLIN, 0};
		fds[FDS_EACH * i + 1] = (struct pollfd){runs ? list[i].err : -1, POLLIN, 0};
		fds[FDS_EACH * i + 2] = (struct pollfd){runs ? list[i].pidfd : -1, POLLIN, 0};
	}
	return running;
}

void process_run_all(struct process *list, size_t n, uint64_t deadline_usec)
{
	_cleanup_free_ struct pollfd *fds = calloc(n ? n : 1, FDS_EACH * sizeof(*fds));

	for (size_t i = 0; i < n; i++) {
		struct process *p = list + i;

		p->pid = 0;
		p->pidfd = p->out = p->err = -1;
		p->output = NULL;
		p->output_len = p->words_len = 0;
		p->words[0] = '\0';
		p->result = !fds ? -ENOMEM : p->argv ? start(p) : 0;
		if (p->result < 0)
			finish(p);
	}
	while (fds && fill(list, n, fds) > 0) {
		int r = poll(fds, FDS_EACH * n, poll_timeout_msec(deadline_usec));

		if (r < 0 && errno == EINTR)
			continue;
		for (size_t i = 0; i < n; i++) {
			if (r <= 0 && list[i].pid > 0)
				list[i].result = r < 0 ? -errno : -ETIMEDOUT;
			if (list[i].pid > 0)
				attend(list + i, fds + FDS_EACH * i);
		}
	}
}
