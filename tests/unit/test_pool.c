/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which server of a pool a user is sent to: who is up, who has a session, who is taken over, who
 * can take one more. Agents are scripts, here and behind a real sshd.
 */
#include "broker/pool.h"

#include "tests/unit/test.h"

#include "broker/scan.h"
#include "tests/unit/agent_rig.h"

#define TAIL "|2026-11-20T07:15:14|c4fc|127.0.0.1|1|2|2026-11-20T07:15:23|bob|39|3|-1|-1\n"
#define LINE(id, server, state) "42|" id "|50|" server "|" state TAIL

static struct server servers[3];
static struct pool pool;
static struct pool_choice choice;
static struct pool_status status;
static char err[AGENT_ERROR_MAX];

static void begin(enum x2go_agent mode)
{
	static const char *const files[] = {
		"listsessions",        "findbusyservers", "getservers", "checkload-127.0.0.1",
		"checkload-127.0.0.2", "suspendsession",  "mute",       "a state/loads"};

	rig_begin(mode);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		rig_remove(files[i]);
	inquiry_forget();
	free(choice.sessions);
	choice.sessions = NULL;
	servers[0] = (struct server){"tsa", "127.0.0.1", 2200};
	servers[1] = (struct server){"tsb", "127.0.0.2", 2200};
	servers[2] = (struct server){"tsc", "127.0.0.3", 2299};
	pool = (struct pool){.servers = servers, .count = 3, .agent = &rig_agent};
}

static int choose(const char *user)
{
	inquiry_forget();
	free(choice.sessions);
	return pool_choose(&pool, user, &choice, err, sizeof(err));
}

/* ---- which are up ---- */

TEST(scan)
{
	struct scan_target t[] = {{.host = "127.0.0.1", .group = 0},
	                          {.host = "127.0.0.2", .group = 1},
	                          {.host = "localhost", .group = 2},
	                          {.host = "no.such.name.invalid", .port = 22, .group = 3},
	                          {.host = "::1", .port = 1, .group = 4},
	                          {.host = "a b", .port = 1, .group = 5}};
	uint64_t start = now_usec();
	int up = rig_listen("127.0.0.1", &t[0].port, true);
	int down = rig_listen("127.0.0.2", &t[1].port, false);

	t[2].port = t[0].port;
	scan_run(t, ARRAY_SIZE(t), USEC_INFINITY);
	CHECK(t[0].up && t[0].known);
	CHECK(!t[1].up && t[1].known);
	CHECK(t[2].up && t[2].known);
	CHECK(!t[3].up && !t[4].up && !t[5].up);
	CHECK(now_usec() - start < SCAN_USEC + USEC_PER_SEC);
	scan_run(t, 0, USEC_INFINITY);
	close(up);
	close(down);
}

/* Full backlogs answer nothing at all; all together may take two seconds, or until the deadline. */
TEST(scan_silence)
{
	struct scan_target t[8];
	uint64_t start;
	int fds[40], fd, n = 0;

	t[0] = (struct scan_target){.host = "127.0.0.1"};
	fd = rig_listen("127.0.0.1", &t[0].port, false);
	CHECK_EQ(listen(fd, 0), 0);
	for (; n < 8; n++) {
		struct sockaddr_in sa = {.sin_family = AF_INET,
		                         .sin_port = htons((uint16_t)t[0].port),
		                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

		fds[n] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(fds[n], (struct sockaddr *)&sa, sizeof(sa));
	}
	for (unsigned i = 1; i < ARRAY_SIZE(t); i++)
		t[i] = (struct scan_target){.host = "127.0.0.1", .port = t[0].port, .group = i};
	start = now_usec();
	scan_run(t, ARRAY_SIZE(t), USEC_INFINITY);
	CHECK(now_usec() - start >= SCAN_USEC - 1000 && now_usec() - start < SCAN_USEC * 3 / 2);
	CHECK(!t[0].up && t[0].known && !t[7].up);
	start = now_usec();
	scan_run(t, ARRAY_SIZE(t), now_usec() + 100 * USEC_PER_MSEC);
	CHECK(now_usec() - start < USEC_PER_SEC);
	/* One of a group that is up is enough. */
	t[1] = (struct scan_target){.host = "127.0.0.1", .group = 0};
	close(rig_listen("127.0.0.1", &t[1].port, false));
	{
		int up = rig_listen("127.0.0.1", &t[1].port, true);

		start = now_usec();
		scan_run(t, 2, USEC_INFINITY);
		CHECK(now_usec() - start < USEC_PER_SEC);
		CHECK(t[1].up && t[1].known && !t[0].up && !t[0].known);
		close(up);
	}
	while (n > 0)
		close(fds[--n]);
	close(fd);
}

/* ---- without agents ---- */

TEST(no_agent)
{
	unsigned seen[3] = {0};

	begin(X2GO_AGENT_NONE);
	for (int i = 0; i < 100; i++) {
		CHECK_EQ(choose("bob"), 0);
		CHECK(choice.available && !choice.agent);
		CHECK_STR(choice.sessions, "");
		CHECK_STR(err, "");
		seen[choice.server]++;
	}
	CHECK(seen[0] && seen[1] && seen[2]);
	pool.shadow = true;
	for (int i = 0; i < 20; i++) {
		CHECK_EQ(choose("bob"), 0);
		CHECK_EQ(choice.server, 0);
	}
	pool.count = 0;
	CHECK_EQ(choose("bob"), -ENOENT);
	CHECK_EQ(pool_look(&pool, "bob", &status, err, sizeof(err)), -ENOENT);
}

TEST(down)
{
	int fd[3];

	begin(X2GO_AGENT_NONE);
	pool.portscan = true;
	for (int i = 0; i < 3; i++) {
		servers[i].port = 0;
		fd[i] = rig_listen(servers[i].address, &servers[i].port, i == 1);
	}
	for (int i = 0; i < 20; i++) {
		CHECK_EQ(choose("bob"), 0);
		CHECK(choice.available);
		CHECK_EQ(choice.server, 1);
	}
	close(fd[1]);
	CHECK_EQ(choose("bob"), 0);
	CHECK(!choice.available && !choice.agent);
	CHECK_EQ(choice.server, 0);
	/* Its name will do. */
	servers[2].name = "127.0.0.1";
	servers[2].address = "no.such.name.invalid";
	servers[2].port = 0;
	fd[1] = rig_listen("127.0.0.1", &servers[2].port, true);
	CHECK_EQ(choose("bob"), 0);
	CHECK(choice.available);
	CHECK_EQ(choice.server, 2);
	CHECK_STR(choice.via, "127.0.0.1");
	for (int i = 0; i < 3; i++)
		close(fd[i]);
}

/* ---- sessions ---- */

TEST(suspended)
{
	uint64_t start;

	begin(X2GO_AGENT_LOCAL);
	rig_write("listsessions",
	          LINE("r1", "tsa", "R") LINE("s1", "tsb.example", "S") LINE("s0", "elsewhere", "S")
	                  LINE("s2", "tsa", "S") LINE("s3", "tsc", "S"));
	start = now_usec();
	CHECK_EQ(choose("bob"), 0);
	CHECK(now_usec() - start < 2 * USEC_PER_SEC); /* nobody was suspended */
	CHECK(choice.available && choice.agent);
	CHECK_EQ(choice.server, 1);
	/* That of tsc is behind another port. */
	CHECK_STR(choice.sessions, LINE("s1", "127.0.0.2", "S") LINE("s2", "127.0.0.1", "S")
	                                   LINE("r1", "127.0.0.1", "R"));
	CHECK_STR(rig_read("argv"), "<bob><listsessions>\n");
	/* And in the list. */
	CHECK_EQ(pool_look(&pool, "bob", &status, err, sizeof(err)), 0);
	CHECK(status.agent && status.server == 1 && status.state == 'S');
	CHECK(status.suspended == 3 && status.running == 1);
	CHECK_STR(rig_read("argv"), "<bob><listsessions>\n"); /* remembered */
	CHECK_EQ(pool_look(&pool, "eve", &status, err, sizeof(err)), 0);
	CHECK_STR(rig_read("argv"), "<bob><listsessions>\n<eve><listsessions>\n");
}

TEST(taken_over)
{
	uint64_t start = now_usec();

	begin(X2GO_AGENT_LOCAL);
	rig_write("listsessions",
	          LINE("r1", "elsewhere", "R") LINE("r2", "tsb", "R") LINE("r3", "tsa", "R"));
	CHECK_EQ(pool_look(&pool, "bob", &status, err, sizeof(err)), 0);
	CHECK(status.server == 1 && status.state == 'R');
	CHECK(status.suspended == 0 && status.running == 2);
	CHECK_EQ(choose("bob"), 0);
	CHECK(now_usec() - start >= 2 * USEC_PER_SEC); /* until the server has done it */
	CHECK_EQ(choice.server, 1);
	CHECK_STR(choice.sessions, LINE("r2", "127.0.0.2", "S") LINE("r3", "127.0.0.1", "R"));
	CHECK_STR(rig_read("argv"),
	          "<bob><listsessions>\n<bob><listsessions>\n<bob><suspendsession><r2>\n");
}

/* No longer than there is time; and as it is where nobody suspends it. */
TEST(not_taken_over)
{
	uint64_t start;

	begin(X2GO_AGENT_LOCAL);
	rig_write("listsessions", LINE("r2", "tsb", "R"));
	rig_agent.deadline_usec = now_usec() + USEC_PER_SEC;
	start = now_usec();
	CHECK_EQ(choose("bob"), 0);
	CHECK(now_usec() - start < 2 * USEC_PER_SEC);
	CHECK_STR(choice.sessions, LINE("r2", "127.0.0.2", "S"));
	begin(X2GO_AGENT_LOCAL);
	rig_write("listsessions", LINE("r2", "tsb", "R"));
	rig_write("suspendsession", "%0300000d\n", 1);
	CHECK_EQ(choose("bob"), 0);
	CHECK_STR(choice.sessions, LINE("r2", "127.0.0.2", "R"));
	CHECK(err[0]);
}

/* A session on a server that is down cannot be resumed; another can. */
TEST(session_on_a_server_that_is_down)
{
	int fd[3];

	begin(X2GO_AGENT_LOCAL);
	pool.portscan = true;
	servers[0].port = 0;
	close(rig_listen("127.0.0.1", &servers[0].port, false));
	for (int i = 0; i < 3; i++) {
		servers[i].port = servers[0].port;
		fd[i] = rig_listen(servers[i].address, &servers[i].port, i == 2);
	}
	rig_write("listsessions", LINE("s1", "tsa", "S") LINE("s2", "tsc", "S"));
	CHECK_EQ(choose("bob"), 0);
	CHECK_EQ(choice.server, 2);
	CHECK_STR(choice.sessions, LINE("s2", "127.0.0.3", "S"));
	close(fd[2]);
	CHECK_EQ(choose("bob"), 0);
	CHECK(!choice.available);
	CHECK_STR(choice.sessions, "");
	close(fd[0]);
	close(fd[1]);
}

/* ---- new ones ---- */

TEST(busy)
{
	begin(X2GO_AGENT_LOCAL);
	rig_write("findbusyservers", "70:tsa\n10:tsb\n20:tsc\n");
	CHECK_EQ(choose("bob"), 0);
	CHECK_EQ(choice.server, 1);
	CHECK_STR(choice.sessions, "");
	rig_write("findbusyservers", "70:tsa\n30:tsb\n");
	CHECK_EQ(choose("bob"), 0);
	CHECK_EQ(choice.server, 2);
	CHECK_STR(rig_read("argv"), "<bob><listsessions>\n<bob><findbusyservers>\n"
	                            "<bob><listsessions>\n<bob><findbusyservers>\n");
	/* One is not compared with anybody. */
	rig_remove("argv");
	pool.count = 1;
	CHECK_EQ(choose("bob"), 0);
	CHECK_STR(rig_read("argv"), "<bob><listsessions>\n");
}

TEST(nothing_known)
{
	unsigned seen[3] = {0};

	begin(X2GO_AGENT_LOCAL);
	rig_write("findbusyservers", "noise\n");
	for (int i = 0; i < 30; i++) {
		CHECK_EQ(choose("bob"), 0);
		seen[choice.server]++;
	}
	CHECK(seen[0] && seen[1] && seen[2]);
	/* Agents that refuse, and one that is not asked. */
	CHECK_EQ(choose("deaf"), 0);
	CHECK(choice.available && choice.agent && err[0]);
	rig_write("mute", "\n");
	CHECK_EQ(choose("bob"), 0);
	CHECK(choice.available && !choice.agent && err[0]);
	rig_remove("argv");
	CHECK_EQ(choose("a;b"), 0);
	CHECK(choice.available && !choice.agent && err[0]);
	CHECK_EQ(choose(""), 0);
	CHECK(choice.available && !choice.agent && !err[0]);
	CHECK(!rig_exists("argv"));
}

/* ---- by ssh ---- */

static void begin_ssh(void)
{
	begin(X2GO_AGENT_SSH);
	rig_start_sshd();
	for (int i = 0; i < 3; i++)
		servers[i].port = rig_port; /* nobody is at 127.0.0.3 */
}

static size_t calls(const char *task)
{
	size_t n = 0;

	for (const char *p = rig_read("argv"); (p = strstr(p, task)); p++)
		n++;
	return n;
}

TEST(ssh_session)
{
	begin_ssh();
	rig_write("listsessions", LINE("s1", "tsb", "S"));
	for (int i = 0; i < 4; i++) {
		CHECK_EQ(choose("bob"), 0);
		CHECK(choice.agent && choice.server == 1);
		CHECK_STR(choice.sessions, LINE("s1", "127.0.0.2", "S"));
		CHECK_STR(err, "");
	}
	CHECK_EQ(calls("<listsessions>"), 4);
	CHECK_EQ(calls("<ping>"), 0);
	/* Whoever is there says no more than that there is nobody of this name. */
	rig_remove("argv");
	CHECK_EQ(choose("deaf"), 0);
	CHECK(choice.available && choice.agent && err[0]);
	CHECK_EQ(calls("<listsessions>"), 1);
	CHECK_EQ(calls("<ping>"), 1);
}

TEST(ssh_load)
{
	begin_ssh();
	pool.load_check = true;
	rig_write("checkload-127.0.0.1",
	          "loadavgXX:100\nmemAvail:8000\nmyMemAvail:1\nnumCPU:2\ntypeCPU:1000\n");
	rig_write("checkload-127.0.0.2",
	          "loadavgXX:300\nmemAvail:8000\nmyMemAvail:1\nnumCPU:2\ntypeCPU:1000\n");
	CHECK_EQ(choose("bob"), 0);
	CHECK_EQ(choice.server, 0);
	CHECK_EQ(calls("<checkload>"), 2);
	CHECK_EQ(calls("<getservers>"), 1);
	/* Asked but once; (3 + 1) / 3 are more than 1 / 1. */
	rig_write("getservers", "tsa 3\n");
	CHECK_EQ(choose("bob"), 0);
	CHECK_EQ(choice.server, 1);
	CHECK_EQ(calls("<checkload>"), 2);
	rig_write("getservers", "tsa 1\n");
	CHECK_EQ(choose("bob"), 0);
	CHECK_EQ(choice.server, 0);
	/* Without numbers, what they can take is all there is. */
	rig_write("getservers", "tsa\n");
	CHECK_EQ(choose("bob"), 0);
	CHECK_EQ(choice.server, 0);
	/* Where none says what it can take. */
	rig_remove("a state/loads");
	rig_remove("checkload-127.0.0.1");
	rig_remove("checkload-127.0.0.2");
	rig_write("findbusyservers", "60:tsa\n10:tsb\n50:tsc\n");
	CHECK_EQ(choose("bob"), 0);
	CHECK_EQ(choice.server, 1);
}

/* There are agents, but none that answers: then there is no server either. */
TEST(ssh_silent)
{
	begin_ssh();
	rig_write("mute", "\n");
	CHECK_EQ(choose("bob"), 0);
	CHECK(!choice.available && !choice.agent && err[0]);
	CHECK_STR(choice.sessions, "");
	CHECK_EQ(calls("<listsessions>"), 2); /* each once */
	CHECK_EQ(pool_look(&pool, "bob", &status, err, sizeof(err)), 0);
	CHECK(!status.agent && !status.state);
	CHECK_EQ(calls("<listsessions>"), 2); /* and not again */
	/* Without a key there are none. */
	begin_ssh();
	snprintf(rig_setup.state, sizeof(rig_setup.state), "%s", rig);
	CHECK_EQ(choose("bob"), 0);
	CHECK(choice.available && !choice.agent && err[0]);
	CHECK(!rig_exists("argv"));
}
