/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The client side of the control socket, against the server's. Links session/query.c, control.c,
 * info.c, locate.c, choose.c, uri.c, wire/.
 */
#include "session/query.h"

#include "tests/unit/control_server.h"

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
