/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/test_front.c - what a worker may tell the guard of the client behind a front end: one
 * address, once, first, and only if the front end is trusted; and what it may ask for browsers. The
 * guard is the real one, with a process of this test for a worker.
 */
#include "tests/unit/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth/guard.h"
#include "auth/state.h"
#include "base/log.h"
#include "base/rpc.h"
#include "wire/proxyproto.h"

static char log_text[4096];

static struct rpc peer_message(uint32_t client, const char *address, uint32_t port)
{
	struct rpc m = {.type = RPC_PEER, .peer.client = client, .peer.port = port};

	CHECK_EQ(inet_pton(strchr(address, ':') ? AF_INET6 : AF_INET, address, m.peer.address), 1);
	return m;
}

/* A whole guard in a process of its own; its exit code. */
static _Noreturn void run_guard(const struct config *config, const struct peer *peer,
                                const struct rpc *messages, size_t n, int log_fd)
{
	struct stats *stats = stats_map();
	int fds[2];
	pid_t worker;

	if (!stats || rpc_pair(fds) < 0 || (worker = fork()) < 0)
		_exit(99);
	if (worker == 0) {
		struct rpc answer;

		close(fds[0]);
		for (size_t i = 0; i < n; i++) {
			(void)rpc_send(fds[1], &messages[i], -1);
			if (messages[i].type == RPC_LOGIN || messages[i].type == RPC_WEB ||
			    messages[i].type == RPC_LIST)
				(void)rpc_receive(fds[1], &answer, &(int){-1});
		}
		_exit(0);
	}
	close(fds[1]);
	log_open_fds("test", -1, -1, log_fd);
	_exit(guard_run(config, peer, stats, fds[0], -1, worker));
}

/* The exit code, with the log in log_text. */
static int tell(const char *option, const struct peer *peer, const struct rpc *messages, size_t n)
{
	struct config config = {0};
	char err[CONFIG_ERROR_MAX];
	int log_fds[2], status;
	size_t len = 0;
	ssize_t got;
	pid_t pid;

	CHECK_EQ(config_defaults(&config), 0);
	CHECK_EQ(config_override(&config, "Auth.Module=none", err), 0);
	/* Nothing of this is to count for anybody on this machine. */
	CHECK_EQ(config_override(&config, "Limits.MaxFailures=0", err), 0);
	CHECK_EQ(config_override(&config, option, err), 0);
	CHECK_EQ(pipe(log_fds), 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		run_guard(&config, peer, messages, n, log_fds[1]);
	close(log_fds[1]);
	while ((got = read(log_fds[0], log_text + len, sizeof(log_text) - 1 - len)) > 0)
		len += (size_t)got;
	log_text[len] = '\0';
	close(log_fds[0]);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	config_free(&config);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static struct peer from(const char *address)
{
	struct netaddr a = {.family = AF_INET};
	struct peer p;

	CHECK_EQ(inet_pton(AF_INET, address, a.bytes), 1);
	peer_from_address(&p, &a, 4711);
	return p;
}

static const struct rpc end = {.type = RPC_END, .end = {"protocol", "that is all", 8}};

/* Two messages and the end: what the last line says of the client, or that it was a violation. */
static void good(const char *option, const struct peer *p, struct rpc first, const char *client)
{
	const struct rpc messages[] = {first, end};
	char line[256];

	test_note("%s", client);
	CHECK_EQ(tell(option, p, messages, 2), 8);
	snprintf(line, sizeof(line), "refused: user '' from %s: that is all\n", client);
	CHECK(strstr(log_text, line) && !strstr(log_text, "not due or malformed"));
}

static void bad(const char *option, const struct peer *p, struct rpc first, struct rpc second)
{
	const struct rpc messages[] = {first, second, end};

	CHECK_EQ(tell(option, p, messages, 3), 1);
	CHECK(strstr(log_text, "not due or malformed"));
}

#define ON "Listen.ProxyProtocol=yes"

TEST(the_client)
{
	struct peer front = from("127.0.0.1");

	good(ON, &front, peer_message(PROXYPROTO_INET, "192.0.2.1", 5000), "192.0.2.1:5000");
	good(ON, &front, peer_message(PROXYPROTO_INET, "0.0.0.0", 0), "0.0.0.0:0");
	good(ON, &front, peer_message(PROXYPROTO_INET6, "2001:db8::1", 65535),
	     "[2001:db8::1]:65535");
	good(ON, &front, peer_message(PROXYPROTO_INET6, "::ffff:192.0.2.1", 1), "192.0.2.1:1");
	good(ON, &front, peer_message(PROXYPROTO_LOCAL, "0.0.0.0", 0), "127.0.0.1:4711");
	good(ON, &front, peer_message(PROXYPROTO_UNKNOWN, "0.0.0.0", 0), "127.0.0.1:4711");
}

TEST(once_first_and_well_formed)
{
	struct peer front = from("127.0.0.1");
	struct rpc right = peer_message(PROXYPROTO_INET, "192.0.2.1", 5000);
	struct rpc login = {.type = RPC_LOGIN};

	bad(ON, &front, right, right);
	bad(ON, &front, login, right);
	bad(ON, &front, peer_message(PROXYPROTO_INET6 + 1, "192.0.2.1", 5000), end);
	bad(ON, &front, peer_message(PROXYPROTO_INET, "192.0.2.1", 65536), end);
	bad(ON, &front, peer_message(PROXYPROTO_LOCAL, "0.0.0.0", ~0u), end);
	bad("Listen.ProxyProtocol=no", &front, right, end);
}

TEST(only_of_a_trusted_front_end)
{
	struct peer stranger = from("192.0.2.99");
	struct rpc login = {.type = RPC_LOGIN}, right = peer_message(PROXYPROTO_INET, "::1", 1);

	bad(ON, &stranger, right, end);
	bad(ON, &stranger, login, end);
	CHECK_EQ(tell(ON, &stranger, &end, 1), 8);
	CHECK(strstr(log_text, "refused: user '' from 192.0.2.99:4711: that is all\n"));
}

#define FORWARDED "Listen.ForwardedFor=yes"

/* What a web server adds to its requests comes later than a header, and need not come. */
TEST(forwarded_for)
{
	struct peer front = from("127.0.0.1"), stranger = from("192.0.2.99");
	struct rpc right = peer_message(PROXYPROTO_INET, "192.0.2.1", 0);
	struct rpc login = {.type = RPC_LOGIN};

	good(FORWARDED, &front, right, "192.0.2.1:0");
	CHECK_EQ(tell(FORWARDED, &front, &end, 1), 8);
	CHECK(strstr(log_text, "from 127.0.0.1:4711: that is all\n"));
	bad(FORWARDED, &front, right, right);
	bad(FORWARDED, &front, login, right);
	bad(FORWARDED, &stranger, right, end);
}

/* Files and the web server: not after a login, only what is configured, not for ever. */
TEST(web_requests)
{
	struct peer p = from("192.0.2.99");
	struct rpc file = {.type = RPC_WEB, .web = {WEB_FILE, 0, "/none"}};
	struct rpc backend = {.type = RPC_WEB, .web.kind = WEB_BACKEND};
	struct rpc login = {.type = RPC_LOGIN}, many[258], odd = file;

	good("Listen.HTMLRoot=/none", &p, file, "192.0.2.99:4711");
	bad("Listen.HTMLRoot=/none", &p, login, file);
	bad("Listen.HTMLRoot=/none", &p, file, backend);
	bad("Listen.HTTPBackend=127.0.0.1:1", &p, file, end);
	bad("Listen.Transports=tcp tls websocket", &p, file, end);
	good("Listen.HTTPBackend=/none/socket", &p, backend, "192.0.2.99:4711");
	odd.web.kind = WEB_PAGE;
	good("Listen.HTMLRoot=/none", &p, odd, "192.0.2.99:4711");
	bad("Listen.Chooser=no", &p, odd, end);
	odd.web.kind = WEB_BACKEND + 1;
	bad("Listen.HTMLRoot=/none", &p, odd, end);
	bad(ON, &p, file, end); /* nothing before the header, and that only of a front end */
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = file;
	CHECK_EQ(tell("Listen.HTMLRoot=/none", &p, many, ARRAY_SIZE(many)), 1);
	CHECK(strstr(log_text, "not due or malformed"));
}

/* Sessions: after a login, one after the other, and then nothing else. */
TEST(lists)
{
	struct peer p = from("192.0.2.99");
	struct rpc login = {.type = RPC_LOGIN, .login.username = "nobody"};
	struct rpc first = {.type = RPC_LIST}, far = {.type = RPC_LIST, .list.index = 64};
	struct rpc session = {.type = RPC_SESSION}, file = {.type = RPC_WEB};
	const struct rpc good_order[] = {login, first, end};
	const struct rpc wrong[][4] = {
		{first, end, end, end},       {login, far, end, end},
		{login, first, first, end},   {login, first, far, end},
		{login, first, session, end}, {login, first, login, end},
		{login, session, first, end}, {login, first, file, end},
	};

	CHECK_EQ(tell("Sessions.SocketDirs=/none", &p, good_order, 3), 8);
	CHECK(strstr(log_text, "from 192.0.2.99:4711 was shown "));
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		test_note("case %zu", i);
		CHECK_EQ(tell("Sessions.SocketDirs=/none", &p, wrong[i], 4), 1);
		CHECK(strstr(log_text, "not due or malformed"));
	}
}

/* Who is behind a front end on a unix socket has none of the rights of the front end's user. */
TEST(rights_of_a_user)
{
	static const enum proxyproto_client clients[] = {PROXYPROTO_LOCAL, PROXYPROTO_UNKNOWN,
	                                                 PROXYPROTO_INET};
	const struct peer front = {.text = "unix uid 33 pid 12",
	                           .net.family = AF_UNIX,
	                           .local_unix = true,
	                           .uid = 33,
	                           .gid = 33,
	                           .pid = 12};

	for (size_t i = 0; i < ARRAY_SIZE(clients); i++) {
		struct guard g = {.peer = &front};
		struct rpc_peer m = {.client = clients[i], .port = 1};

		CHECK_EQ(front_introduce(&g, &m), 0);
		CHECK(g.peer != &front && !g.peer->local_unix);
		CHECK(g.peer->uid == (uid_t)-1 && g.peer->gid == (gid_t)-1 && g.peer->pid == 0);
		CHECK_STR(g.peer->text, i < 2 ? front.text : "0.0.0.0:1");
		CHECK(i < 2 ? g.front == NULL : g.front == front.text);
	}
}
