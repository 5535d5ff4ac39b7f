/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/prompt.c - a password from a terminal, or one line of stdin. In xproxyctl, as its caller.
 * System calls: read, write, ppoll, ioctl (termios), rt_sigaction, rt_sigprocmask.
 *
 * Bytes are read one by one: nothing of what follows the line is taken, nothing stays in a buffer.
 */
#include "auth/prompt.h"

#include "auth/module.h"
#include "base/macros.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <termios.h>

static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
static volatile sig_atomic_t signalled;

static void on_signal(int sig)
{
	signalled = sig;
}

/* One line without its end into buf. mask: the signals to block while waiting, and no others.
 * 0, -ENODATA at the end of the input, -EINTR, other negative errnos. */
static int read_line(char *buf, size_t size, const sigset_t *mask)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	size_t n = 0;

	for (;;) {
		char c;
		ssize_t k;

		if (ppoll(&in, 1, NULL, mask) < 0)
			return -errno;
		k = read(STDIN_FILENO, &c, 1);
		if (k < 0)
			return -errno;
		if (k == 0 && n == 0)
			return -ENODATA;
		if (k == 0 || c == '\n')
			break;
		if (c == '\0')
			return -EILSEQ;
		if (n == size - 1)
			return -EMSGSIZE;
		buf[n++] = c;
	}
	if (n > 0 && buf[n - 1] == '\r')
		n--;
	buf[n] = '\0';
	return 0;
}

static int read_hidden(const char *question, char *buf, size_t size)
{
	struct sigaction before[ARRAY_SIZE(caught)], ours = {.sa_handler = on_signal};
	struct termios echo, quiet;
	sigset_t mask, block;
	int r;

	if (tcgetattr(STDIN_FILENO, &echo) < 0)
		return -errno;
	quiet = echo;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	quiet.c_lflag |= ICANON | ECHONL;
	signalled = 0;
	sigemptyset(&block);
	for (size_t i = 0; i < ARRAY_SIZE(caught); i++) {
		sigaddset(&block, caught[i]);
		sigaction(caught[i], &ours, &before[i]);
	}
	sigprocmask(SIG_BLOCK, &block, &mask); /* they come only while we wait */
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	fprintf(stderr, "%s: ", question);
	fflush(stderr);
	r = read_line(buf, size, &mask);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &echo);
	for (size_t i = 0; i < ARRAY_SIZE(caught); i++)
		sigaction(caught[i], &before[i], NULL);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	if (signalled) {
		fputc('\n', stderr);
		raise(signalled);
		return -EINTR; /* it was stopped and continued, or the signal is ignored */
	}
	return r;
}

static int ask(const char *question, char *buf, size_t size)
{
	int r;

	if (isatty(STDIN_FILENO))
		return read_hidden(question, buf, size);
	do
		r = read_line(buf, size, NULL);
	while (r == -EINTR);
	return r;
}

static int ask_twice(const char *question, char *buf, size_t size)
{
	char again[PROMPT_PASSWORD_MAX + 2];
	int r = 0, tries = 0;
	bool same = false;

	while (r == 0 && !same) {
		if (tries++ == 3)
			r = -EAGAIN;
		if (r == 0)
			r = ask(question, buf, size);
		if (r == 0)
			r = ask("The same again", again, sizeof(again));
		same = r == 0 && strcmp(buf, again) == 0;
		if (r == 0 && !same)
			fputs("These were not the same.\n", stderr);
	}
	explicit_bzero(again, sizeof(again));
	return r;
}

int prompt_password(const char *question, bool twice, char **ret, char *err)
{
	char buf[PROMPT_PASSWORD_MAX + 2]; /* a '\r' and the NUL */
	int r;

	if (twice && isatty(STDIN_FILENO))
		r = ask_twice(question, buf, sizeof(buf));
	else
		r = ask(question, buf, sizeof(buf));
	if (r == 0 && buf[0] == '\0')
		r = -ENODATA;
	if (r == 0 && strlen(buf) > PROMPT_PASSWORD_MAX)
		r = -EMSGSIZE;
	if (r == 0) {
		*ret = strdup(buf);
		r = *ret ? 0 : -ENOMEM;
	}
	explicit_bzero(buf, sizeof(buf));
	if (r == -ENODATA)
		snprintf(err, AUTH_ERROR_MAX, "no password was given");
	else if (r == -EMSGSIZE)
		snprintf(err, AUTH_ERROR_MAX, "the password is longer than %d bytes",
		         PROMPT_PASSWORD_MAX);
	else if (r == -EILSEQ)
		snprintf(err, AUTH_ERROR_MAX, "the password has a NUL byte");
	else if (r == -EAGAIN)
		snprintf(err, AUTH_ERROR_MAX, "the two passwords were not the same");
	else if (r < 0)
		snprintf(err, AUTH_ERROR_MAX, "cannot read the password: %s", strerror(-r));
	return r;
}
