/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/serve.c - talks to the guard: the request, whether it needs a login, who has logged in.
 * xproxy-x2gobroker, as User= of [X2Go]. System calls: recvmsg, sendmsg, write, and those of
 * broker/answer.c.
 */
#include "broker/serve.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/socket.h"
#include "broker/access.h"
#include "broker/answer.h"

#define PATIENCE_SEC 180 /* for all of it: a login may take somebody's time */

static int receive(void *ret, size_t size)
{
	int fd;
	ssize_t n = socket_receive(STDIN_FILENO, ret, size, &fd);

	if (fd >= 0)
		close(fd);
	return n == (ssize_t)size ? 0 : n == 0 ? -EPIPE : n < 0 ? (int)n : -EBADMSG;
}

/* Big enough for all profiles with their pictures, and the client may be slow: written at once, as
 * the guard's side never closes before. */
static int send_all(const char *p, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDOUT_FILENO, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EPIPE;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int serve_run(void)
{
	static struct x2go_start start;
	static struct x2go_login login;
	struct x2go_verdict verdict;
	struct access access;
	char *text = NULL;
	size_t len = 0;
	FILE *out;
	int r;

	log_open("xproxy-x2gobroker", -1);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)alarm(PATIENCE_SEC);
	if (receive(&start, sizeof(start)) < 0) {
		fputs("xproxy-x2gobroker: --answer is for xproxy-conn\n", stderr);
		return 2;
	}
	access_judge(&start, wall_usec(), &verdict, &access);
	if (socket_send(STDIN_FILENO, &verdict, sizeof(verdict), -1) < 0 ||
	    verdict.kind == X2GO_DENIED)
		return 0;
	if (receive(&login, sizeof(login)) < 0)
		return 0; /* somebody has not logged in */
	out = open_memstream(&text, &len);
	r = out ? answer_write(&start, &login, &access, out) : -ENOMEM;
	if (out && fclose(out) != 0)
		r = -ENOMEM;
	if (r == 0)
		r = send_all(text, len);
	else
		log_message(LOG_ERR, "x2go: no answer: %s", strerror(-r));
	if (text)
		explicit_bzero(text, len);
	return r < 0;
}
