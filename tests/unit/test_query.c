/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The client side of the control socket, against the server's. Links ctl/query.c, control.c,
 * info.c, locate.c, choose.c, uri.c, wire/.
 */
#include "ctl/query.h"

#include "tests/unit/control_server.h"

#include "session/locate.h"

#include <signal.h>
#include <sys/wait.h>

struct seen {
	unsigned count;
	char text[8192];
};

static void collect(void *arg, const char *key, const char *value, bool bare)
{
	struct seen *s = arg;
	size_t n = strlen(s->text);

	s->count++;
	snprintf(s->text + n, sizeof(s->text) - n, "%s=%s%s\n", key, value, bare ? " bare" : "");
}

TEST(query)
{
	char path[sizeof(address.sun_path) + 1], err[RPC_TEXT_MAX];
	static struct seen seen;
	pid_t child;

	start();
	snprintf(path, sizeof(path), "@%s", address.sun_path + 1);
	child = fork();
	if (child == 0) {
		while (!stopped)
			serve();
		_exit(0);
	}
	CHECK_EQ(query_send(path, getuid(), "info", 2 * USEC_PER_SEC, collect, &seen, err), 0);
	CHECK(strstr(seen.text, "proxy.version=" XPROXY_VERSION "\n"));
	CHECK(strstr(seen.text, "connection.client.input.bytecount=12345 bare\n"));
	CHECK(strstr(seen.text, "session.user=bob\n"));
	CHECK(seen.count > 20);
	CHECK_EQ(query_send(path, (uid_t)-1, "nonsense", 2 * USEC_PER_SEC, collect, &seen, err), 1);
	CHECK(strstr(err, "control command error: this socket"));
	CHECK_EQ(query_send(path, getuid() + 1, "info", 2 * USEC_PER_SEC, collect, &seen, err),
	         -EPERM);
	CHECK_EQ(query_send(path, getuid(), "stop", 2 * USEC_PER_SEC, NULL, NULL, err), 1);
	CHECK_STR(err, "server shutdown: socket request");
	waitpid(child, NULL, 0);
	control = control_free(control);
	CHECK_EQ(query_send(path, getuid(), "info", 2 * USEC_PER_SEC, NULL, NULL, err),
	         -ECONNREFUSED);
}

TEST(query_of_nobody)
{
	char path[sizeof(address.sun_path) + 1], err[RPC_TEXT_MAX];

	start(); /* accepts nothing: nobody serves */
	snprintf(path, sizeof(path), "@%s", address.sun_path + 1);
	CHECK_EQ(query_send(path, getuid(), "info", 200 * USEC_PER_MSEC, NULL, NULL, err),
	         -ETIMEDOUT);
}

static unsigned count_of(const struct query *q)
{
	return ((const struct seen *)q->arg)->count;
}

/* Many at once: those that do not answer, or not yet, or are not there, cost the others nothing. */
TEST(query_of_many)
{
	enum { ANSWERING = 12, STUCK, FULL, DEAD, MANY };
	static struct seen seen[MANY];
	static struct query q[MANY];
	char path[sizeof(address.sun_path) + 1], stuck_path[sizeof(path)], full_path[sizeof(path)];
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int stuck = socket(AF_UNIX, SOCK_STREAM, 0), full = socket(AF_UNIX, SOCK_STREAM, 0);
	socklen_t len = sizeof(sa);
	uint64_t began;
	pid_t child;

	start();
	snprintf(path, sizeof(path), "@%s", address.sun_path + 1);
	CHECK_EQ(bind(stuck, (struct sockaddr *)&sa, sizeof(sa_family_t)), 0);
	CHECK_EQ(listen(stuck, 8), 0);
	CHECK_EQ(getsockname(stuck, (struct sockaddr *)&sa, &len), 0);
	snprintf(stuck_path, sizeof(stuck_path), "@%s", sa.sun_path + 1);
	sa = (struct sockaddr_un){.sun_family = AF_UNIX};
	CHECK_EQ(bind(full, (struct sockaddr *)&sa, sizeof(sa_family_t)), 0);
	CHECK_EQ(listen(full, 0), 0);
	len = sizeof(sa);
	CHECK_EQ(getsockname(full, (struct sockaddr *)&sa, &len), 0);
	snprintf(full_path, sizeof(full_path), "@%s", sa.sun_path + 1);
	while (locate_connect_now(full_path, getuid()) >= 0)
		;
	child = fork();
	if (child == 0) {
		while (!stopped)
			serve();
		_exit(0);
	}
	for (size_t i = 0; i < MANY; i++)
		q[i] = (struct query){.path = i == STUCK  ? stuck_path
		                              : i == FULL ? full_path
		                              : i == DEAD ? "@xproxy-nobody-is-here"
		                                          : path,
		                      .owner = getuid(),
		                      .field = collect,
		                      .arg = &seen[i]};
	began = now_usec();
	CHECK_EQ(query_all(q, MANY, "info", 300 * USEC_PER_MSEC, 5 * USEC_PER_SEC), 0);
	CHECK(now_usec() - began >= 300 * USEC_PER_MSEC);
	CHECK(now_usec() - began < 4 * USEC_PER_SEC);
	for (size_t i = 0; i < ANSWERING; i++) {
		CHECK_EQ(q[i].result, 0);
		CHECK_EQ(count_of(&q[i]), count_of(&q[0]));
		CHECK(count_of(&q[i]) > 20);
	}
	CHECK_EQ(q[STUCK].result, -ETIMEDOUT);
	CHECK_STR(q[STUCK].err, "it does not answer");
	CHECK_EQ(q[FULL].result, -ETIMEDOUT);
	CHECK_EQ(q[DEAD].result, -ECONNREFUSED);
	CHECK_EQ(count_of(&q[STUCK]) + count_of(&q[FULL]) + count_of(&q[DEAD]), 0);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	close(stuck);
	close(full);
}

/* One that goes on sending and never ends its answer has the total time. */
TEST(query_of_a_trickle)
{
	char path[sizeof(address.sun_path) + 1], err[RPC_TEXT_MAX];
	struct query q = {.path = path, .owner = getuid()};
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	socklen_t len = sizeof(sa);
	uint64_t began;
	pid_t child;

	CHECK_EQ(bind(listener, (struct sockaddr *)&sa, sizeof(sa_family_t)), 0);
	CHECK_EQ(listen(listener, 8), 0);
	CHECK_EQ(getsockname(listener, (struct sockaddr *)&sa, &len), 0);
	snprintf(path, sizeof(path), "@%s", sa.sun_path + 1);
	child = fork();
	if (child == 0) {
		const uint8_t header[] = {'P', ENCODER_RENCODEPLUS, 0, 0, 0, 0, 8, 0};
		int fd = accept(listener, NULL, NULL);

		(void)!write(fd, header, sizeof(header));
		while (write(fd, "x", 1) == 1)
			usleep(20000);
		_exit(0);
	}
	began = now_usec();
	CHECK_EQ(query_all(&q, 1, "info", 200 * USEC_PER_MSEC, 600 * USEC_PER_MSEC), 0);
	CHECK_EQ(q.result, -ETIMEDOUT);
	CHECK(now_usec() - began >= 600 * USEC_PER_MSEC);
	CHECK(now_usec() - began < 3 * USEC_PER_SEC);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	close(listener);
	CHECK_EQ(query_send(path, getuid(), "info", USEC_PER_SEC, NULL, NULL, err), -ECONNREFUSED);
}

/* What it says goes to the terminal of root. */
TEST(words_are_escaped)
{
	char path[sizeof(address.sun_path) + 1], err[RPC_TEXT_MAX];
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	socklen_t len = sizeof(sa);
	pid_t child;

	CHECK_EQ(bind(listener, (struct sockaddr *)&sa, sizeof(sa_family_t)), 0);
	CHECK_EQ(listen(listener, 8), 0);
	CHECK_EQ(getsockname(listener, (struct sockaddr *)&sa, &len), 0);
	snprintf(path, sizeof(path), "@%s", sa.sun_path + 1);
	child = fork();
	if (child == 0) {
		uint8_t packet[256];
		size_t n = 0;
		int fd = accept(listener, NULL, NULL);

		packet_disconnect(ENCODER_RENCODEPLUS, packet, sizeof(packet), "a\x1b[2J",
		                  "b\n\xc2\x9b", &n);
		(void)!write(fd, packet, n);
		sleep(5);
		_exit(0);
	}
	CHECK_EQ(query_send(path, getuid(), "info", 2 * USEC_PER_SEC, NULL, NULL, err), 1);
	CHECK_STR(err, "a\\x1b[2J: b\\x0a\\xc2\\x9b");
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	close(listener);
}
